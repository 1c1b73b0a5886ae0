namespace LlasaNative.Data.Parquet;

/// <summary>Which meanings fit which stored types, and how lists and maps are recognised.</summary>
internal static class SchemaRules
{
    /// <summary>Refuses a stored type that cannot be read.</summary>
    public static void CheckLeaf(ParquetField field)
    {
        if (field.PhysicalType == ParquetPhysicalType.FixedLengthByteArray && field.TypeLength is < 1 or > 1 << 24)
        {
            throw new ParquetException($"`{field.Name}`: a fixed length of {field.TypeLength} bytes is not supported");
        }

        if (Fits(field.PhysicalType!.Value, field.TypeLength, field.LogicalType) is string fault)
        {
            throw new ParquetException($"`{field.Name}`: {fault}");
        }
    }

    /// <summary>What is wrong with a meaning for a stored type; null when it fits.</summary>
    public static string? Fits(ParquetPhysicalType type, int typeLength, ParquetLogicalType logical)
    {
        bool fixedOf(int length) => type == ParquetPhysicalType.FixedLengthByteArray && typeLength == length;
        bool fits = logical.Kind switch
        {
            ParquetLogicalKind.Text or ParquetLogicalKind.Enumeration or ParquetLogicalKind.Json or ParquetLogicalKind.Bson =>
                type is ParquetPhysicalType.ByteArray or ParquetPhysicalType.FixedLengthByteArray,
            ParquetLogicalKind.Uuid => fixedOf(16),
            ParquetLogicalKind.Float16 => fixedOf(2),
            ParquetLogicalKind.Interval => fixedOf(12),
            ParquetLogicalKind.Integer => logical.BitWidth is 8 or 16 or 32
                ? type == ParquetPhysicalType.Int32
                : logical.BitWidth == 64 && type == ParquetPhysicalType.Int64,
            ParquetLogicalKind.Date => type == ParquetPhysicalType.Int32,
            ParquetLogicalKind.Time => logical.Unit == ParquetTimeUnit.Milliseconds
                ? type == ParquetPhysicalType.Int32
                : type == ParquetPhysicalType.Int64,
            ParquetLogicalKind.Timestamp => type == ParquetPhysicalType.Int64,
            ParquetLogicalKind.Decimal => DecimalFits(type, logical),
            ParquetLogicalKind.List or ParquetLogicalKind.Map => false,
            _ => true,
        };
        return fits ? null : $"{logical.Kind} cannot be stored as {type}";
    }

    private static bool DecimalFits(ParquetPhysicalType type, ParquetLogicalType logical) =>
        logical.Precision is >= 1 and <= 100_000 && logical.Scale >= 0 && logical.Scale <= logical.Precision
        && type is ParquetPhysicalType.Int32 or ParquetPhysicalType.Int64
            or ParquetPhysicalType.ByteArray or ParquetPhysicalType.FixedLengthByteArray;

    /// <summary>
    /// The element of a list, by the format's rules for old and new layouts; null when the group is no list.
    /// The result may be the repeated field itself, then its elements are never null.
    /// </summary>
    public static ParquetField? ListElement(ParquetField group)
    {
        if (group.LogicalType.Kind != ParquetLogicalKind.List || group.Children is not [{ Repetition: ParquetRepetition.Repeated } repeated])
        {
            return null;
        }

        bool isElement = repeated.IsLeaf
            || repeated.Children.Count != 1
            || repeated.Children[0].Repetition == ParquetRepetition.Repeated
            || repeated.LogicalType.Kind is ParquetLogicalKind.List or ParquetLogicalKind.Map
            || repeated.Name == "array"
            || repeated.Name == group.Name + "_tuple";
        return isElement ? repeated : repeated.Children[0];
    }

    /// <summary>The repeated group of a map, with a key and at most one value; null when the group is no map.</summary>
    public static ParquetField? MapEntries(ParquetField group) =>
        group.LogicalType.Kind == ParquetLogicalKind.Map
        && group.Children is [{ Repetition: ParquetRepetition.Repeated, IsLeaf: false, Children.Count: 1 or 2 } entries]
        && entries.Children.All(child => child.Repetition != ParquetRepetition.Repeated)
            ? entries
            : null;
}
