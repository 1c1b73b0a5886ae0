using Apache.Arrow;
using Apache.Arrow.Types;

namespace LlasaNative.Tests.Data.Parquet;

/// <summary>Short names for the fields of schemas; every one may be null.</summary>
internal static class Fields
{
    public static Schema Of(params Field[] fields) => new(fields, null);

    public static Field Leaf(string name, IArrowType type) => new(name, type, nullable: true);

    public static Field Words(string name) => Leaf(name, StringType.Default);

    public static Field List(string name, IArrowType element) => Leaf(name, new ListType(Leaf("element", element)));

    public static Field Group(string name, params Field[] children) => Leaf(name, new StructType(children));
}
