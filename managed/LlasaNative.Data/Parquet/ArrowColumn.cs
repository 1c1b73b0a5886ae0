using Apache.Arrow;
using Apache.Arrow.Types;

namespace LlasaNative.Data.Parquet;

/// <summary>Values of rows as columns of Arrow, the reverse of <see cref="ArrowRows"/> for the types that this program writes.</summary>
internal static class ArrowColumn
{
    private static readonly UTF8Encoding _strictUtf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>Refuses a value that does not fit its field.</summary>
    public static void Check(Field field, object? value, string path)
    {
        if (value is null)
        {
            _ = field.IsNullable ? value : throw Fault(path, "null in a field that must be there");
            return;
        }

        bool fits = (field.DataType, value) switch
        {
            (StringType, string text) => IsText(text) ? true : throw Fault(path, "a text with half a surrogate pair is no Unicode"),
            (BooleanType, bool) or (Int32Type, int) or (Int64Type, int or long) or (FloatType, float) or (DoubleType, float or double) => true,
            (ListType type, IReadOnlyList<object?> items) => All(items, item => Check(type.ValueField, item, path + ".list.element")),
            (StructType type, ParquetRow row) => All(row.Names, name => _ = type.Fields.Any(f => f.Name == name) ? name : throw Fault(path, $"the schema has no field `{name}`"))
                && All(type.Fields, child => Check(child, Child(row, child.Name), $"{path}.{child.Name}")),
            _ => false,
        };
        _ = fits ? value : throw Fault(path, $"{value.GetType().Name} cannot be stored as {field.DataType.Name}");
    }

    /// <summary>Whether columns of a type can be written.</summary>
    public static bool Supports(IArrowType type) => type switch
    {
        ListType list => Supports(list.ValueDataType),
        StructType group => group.Fields.Count > 0 && group.Fields.All(field => Supports(field.DataType)),
        _ => type is StringType or BooleanType or Int32Type or Int64Type or FloatType or DoubleType,
    };

    /// <summary>A column of values that fit.</summary>
    public static IArrowArray Build(IArrowType type, IReadOnlyList<object?> values)
    {
        switch (type)
        {
            case StringType:
                StringArray.Builder texts = new();
                return Each(values, value => texts.Append((string)value), texts.AppendNull, () => texts.Build());
            case BooleanType:
                BooleanArray.Builder flags = new();
                return Each(values, value => flags.Append((bool)value), flags.AppendNull, () => flags.Build());
            case Int32Type:
                Int32Array.Builder ints = new();
                return Each(values, value => ints.Append((int)value), ints.AppendNull, () => ints.Build());
            case Int64Type:
                Int64Array.Builder longs = new();
                return Each(values, value => longs.Append(value is int narrow ? narrow : (long)value), longs.AppendNull, () => longs.Build());
            case FloatType:
                FloatArray.Builder singles = new();
                return Each(values, value => singles.Append((float)value), singles.AppendNull, () => singles.Build());
            case DoubleType:
                DoubleArray.Builder doubles = new();
                return Each(values, value => doubles.Append(value is float narrow ? narrow : (double)value), doubles.AppendNull, () => doubles.Build());
            case ListType list:
                return List(list, values);
            default:
                StructType group = (StructType)type;
                (ArrowBuffer present, int nulls) = Validity(values);
                IArrowArray[] children = [.. group.Fields.Select(
                    child => Build(child.DataType, [.. values.Select(value => value is ParquetRow row ? Child(row, child.Name) : null)]))];
                return new StructArray(group, values.Count, children, present, nulls);
        }
    }

    private static ListArray List(ListType type, IReadOnlyList<object?> values)
    {
        List<object?> items = [];
        ArrowBuffer.Builder<int> offsets = new(values.Count + 1);
        offsets.Append(0);
        foreach (object? value in values)
        {
            items.AddRange((IReadOnlyList<object?>?)value ?? []);
            offsets.Append(items.Count);
        }

        (ArrowBuffer present, int nulls) = Validity(values);
        return new ListArray(type, values.Count, offsets.Build(), Build(type.ValueDataType, items), present, nulls);
    }

    private static IArrowArray Each(IReadOnlyList<object?> values, Action<object> append, Func<object> appendNull, Func<IArrowArray> build)
    {
        foreach (object? value in values)
        {
            if (value is null)
            {
                appendNull();
            }
            else
            {
                append(value);
            }
        }

        return build();
    }

    private static (ArrowBuffer Present, int Nulls) Validity(IReadOnlyList<object?> values)
    {
        ArrowBuffer.BitmapBuilder present = new(values.Count);
        foreach (object? value in values)
        {
            present.Append(value is not null);
        }

        return (present.Build(), present.UnsetBitCount);
    }

    private static bool IsText(string text)
    {
        try
        {
            return _strictUtf8.GetByteCount(text) >= 0;
        }
        catch (EncoderFallbackException)
        {
            return false;
        }
    }

    private static bool All<T>(IEnumerable<T> items, Action<T> check)
    {
        foreach (T item in items)
        {
            check(item);
        }

        return true;
    }

    private static object? Child(ParquetRow row, string name) => row.TryGetValue(name, out object? value) ? value : null;

    private static ParquetException Fault(string path, string message) => new(string.Empty, null, path, null, message);
}
