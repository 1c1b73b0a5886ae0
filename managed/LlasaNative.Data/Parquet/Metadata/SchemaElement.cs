namespace LlasaNative.Data.Parquet;

/// <summary>One entry of the flattened schema in the footer.</summary>
internal sealed record SchemaElement
{
    public ParquetPhysicalType? Type { get; set; }

    public int TypeLength { get; set; }

    public ParquetRepetition Repetition { get; set; }

    public string Name { get; set; } = string.Empty;

    public int ChildCount { get; set; }

    public int? ConvertedType { get; set; }

    public int Scale { get; set; }

    public int Precision { get; set; }

    public ParquetLogicalType? Logical { get; set; }

    public static SchemaElement Read(ref ThriftReader reader, ThriftType outer)
    {
        ThriftReader.ExpectStruct(outer);
        SchemaElement element = new();
        int field = 0;
        while (reader.NextField(ref field, out ThriftType type))
        {
            switch (field)
            {
                case 1:
                    element.Type = EnumOf<ParquetPhysicalType>(reader.ReadI32(type), "a stored type");
                    break;
                case 2:
                    element.TypeLength = reader.ReadI32(type);
                    break;
                case 3:
                    element.Repetition = EnumOf<ParquetRepetition>(reader.ReadI32(type), "a repetition");
                    break;
                case 4:
                    element.Name = reader.ReadString(type);
                    break;
                case 5:
                    element.ChildCount = reader.ReadI32(type);
                    break;
                case 6:
                    element.ConvertedType = reader.ReadI32(type);
                    break;
                case 7:
                    element.Scale = reader.ReadI32(type);
                    break;
                case 8:
                    element.Precision = reader.ReadI32(type);
                    break;
                case 10:
                    element.Logical = LogicalTypeFormat.Read(ref reader, type);
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }

        return element;
    }

    /// <summary>Turns a number of the format into its enumeration member.</summary>
    public static T EnumOf<T>(int value, string what)
        where T : struct, Enum
    {
        T result = (T)(object)value;
        return Enum.IsDefined(result) ? result : throw new ParquetException($"{value} is not {what} of the format");
    }
}
