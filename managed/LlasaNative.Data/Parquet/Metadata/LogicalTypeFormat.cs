namespace LlasaNative.Data.Parquet;

/// <summary>Logical types in the footer: the union of today and the deprecated converted types.</summary>
internal static class LogicalTypeFormat
{
    public static ParquetLogicalType Read(ref ThriftReader reader, ThriftType outer)
    {
        ThriftReader.ExpectStruct(outer);
        ParquetLogicalType result = ParquetLogicalType.None;
        int field = 0;
        while (reader.NextField(ref field, out ThriftType type))
        {
            switch (field)
            {
                case 5:
                    result = ReadDecimal(ref reader, type);
                    break;
                case 7:
                    result = ReadTime(ref reader, type, ParquetLogicalKind.Time);
                    break;
                case 8:
                    result = ReadTime(ref reader, type, ParquetLogicalKind.Timestamp);
                    break;
                case 10:
                    result = ReadInteger(ref reader, type);
                    break;
                default:
                    reader.Skip(type);
                    result = new ParquetLogicalType(Simple(field));
                    break;
            }
        }

        return result;
    }

    private static ParquetLogicalKind Simple(int field) => field switch
    {
        1 => ParquetLogicalKind.Text,
        2 => ParquetLogicalKind.Map,
        3 => ParquetLogicalKind.List,
        4 => ParquetLogicalKind.Enumeration,
        6 => ParquetLogicalKind.Date,
        11 => ParquetLogicalKind.Null,
        12 => ParquetLogicalKind.Json,
        13 => ParquetLogicalKind.Bson,
        14 => ParquetLogicalKind.Uuid,
        15 => ParquetLogicalKind.Float16,
        _ => ParquetLogicalKind.Other,
    };

    private static ParquetLogicalType ReadDecimal(ref ThriftReader reader, ThriftType outer)
    {
        ThriftReader.ExpectStruct(outer);
        (int scale, int precision, int field) = (0, 0, 0);
        while (reader.NextField(ref field, out ThriftType type))
        {
            switch (field)
            {
                case 1:
                    scale = reader.ReadI32(type);
                    break;
                case 2:
                    precision = reader.ReadI32(type);
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }

        return new ParquetLogicalType(ParquetLogicalKind.Decimal) { Scale = scale, Precision = precision };
    }

    private static ParquetLogicalType ReadTime(ref ThriftReader reader, ThriftType outer, ParquetLogicalKind kind)
    {
        ThriftReader.ExpectStruct(outer);
        (bool utc, ParquetTimeUnit? unit, int field) = (false, null, 0);
        while (reader.NextField(ref field, out ThriftType type))
        {
            switch (field)
            {
                case 1:
                    utc = ThriftReader.ReadBoolean(type);
                    break;
                case 2:
                    ThriftReader.ExpectStruct(type);
                    int member = 0;
                    while (reader.NextField(ref member, out ThriftType inner))
                    {
                        unit = SchemaElement.EnumOf<ParquetTimeUnit>(member - 1, "a time unit");
                        reader.Skip(inner);
                    }

                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }

        return unit is ParquetTimeUnit known
            ? new ParquetLogicalType(kind) { IsUtc = utc, Unit = known }
            : new ParquetLogicalType(ParquetLogicalKind.Other);
    }

    private static ParquetLogicalType ReadInteger(ref ThriftReader reader, ThriftType outer)
    {
        ThriftReader.ExpectStruct(outer);
        (int bits, bool signed, int field) = (0, false, 0);
        while (reader.NextField(ref field, out ThriftType type))
        {
            switch (field)
            {
                case 1:
                    bits = reader.ReadI8(type);
                    break;
                case 2:
                    signed = ThriftReader.ReadBoolean(type);
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }

        return Integer(bits, signed);
    }

    /// <summary>The meaning of a deprecated converted type.</summary>
    public static ParquetLogicalType FromConverted(int? converted, int scale, int precision) => converted switch
    {
        0 => ParquetLogicalType.Text,
        1 or 2 => new ParquetLogicalType(ParquetLogicalKind.Map),
        3 => new ParquetLogicalType(ParquetLogicalKind.List),
        4 => new ParquetLogicalType(ParquetLogicalKind.Enumeration),
        5 => new ParquetLogicalType(ParquetLogicalKind.Decimal) { Scale = scale, Precision = precision },
        6 => new ParquetLogicalType(ParquetLogicalKind.Date),
        7 or 8 => new ParquetLogicalType(ParquetLogicalKind.Time) { IsUtc = true, Unit = (ParquetTimeUnit)(converted.Value - 7) },
        9 or 10 => new ParquetLogicalType(ParquetLogicalKind.Timestamp) { IsUtc = true, Unit = (ParquetTimeUnit)(converted.Value - 9) },
        >= 11 and <= 14 => Integer(8 << (converted.Value - 11), signed: false),
        >= 15 and <= 18 => Integer(8 << (converted.Value - 15), signed: true),
        19 => new ParquetLogicalType(ParquetLogicalKind.Json),
        20 => new ParquetLogicalType(ParquetLogicalKind.Bson),
        21 => new ParquetLogicalType(ParquetLogicalKind.Interval),
        _ => ParquetLogicalType.None,
    };

    /// <summary>The converted type that older readers understand; null when there is none.</summary>
    public static int? ToConverted(ParquetLogicalType logical) => logical.Kind switch
    {
        ParquetLogicalKind.Text => 0,
        ParquetLogicalKind.Map => 1,
        ParquetLogicalKind.List => 3,
        ParquetLogicalKind.Enumeration => 4,
        ParquetLogicalKind.Decimal => 5,
        ParquetLogicalKind.Date => 6,
        ParquetLogicalKind.Time when logical.IsUtc && logical.Unit != ParquetTimeUnit.Nanoseconds => 7 + (int)logical.Unit,
        ParquetLogicalKind.Timestamp when logical.IsUtc && logical.Unit != ParquetTimeUnit.Nanoseconds => 9 + (int)logical.Unit,
        ParquetLogicalKind.Integer => (logical.IsSigned ? 15 : 11) + int.Log2(logical.BitWidth) - 3,
        ParquetLogicalKind.Json => 19,
        ParquetLogicalKind.Bson => 20,
        ParquetLogicalKind.Interval => 21,
        _ => null,
    };

    /// <summary>Writes the union as a field; nothing when the type has no member in it.</summary>
    public static void Write(ThriftWriter writer, int field, ParquetLogicalType logical)
    {
        int member = logical.Kind switch
        {
            ParquetLogicalKind.Text => 1,
            ParquetLogicalKind.Map => 2,
            ParquetLogicalKind.List => 3,
            ParquetLogicalKind.Enumeration => 4,
            ParquetLogicalKind.Decimal => 5,
            ParquetLogicalKind.Date => 6,
            ParquetLogicalKind.Time => 7,
            ParquetLogicalKind.Timestamp => 8,
            ParquetLogicalKind.Integer => 10,
            ParquetLogicalKind.Null => 11,
            ParquetLogicalKind.Json => 12,
            ParquetLogicalKind.Bson => 13,
            ParquetLogicalKind.Uuid => 14,
            ParquetLogicalKind.Float16 => 15,
            _ => 0,
        };
        if (member == 0)
        {
            return;
        }

        writer.BeginStruct(field);
        writer.BeginStruct(member);
        switch (logical.Kind)
        {
            case ParquetLogicalKind.Decimal:
                writer.Field(1, logical.Scale);
                writer.Field(2, logical.Precision);
                break;
            case ParquetLogicalKind.Time or ParquetLogicalKind.Timestamp:
                writer.Field(1, logical.IsUtc);
                writer.BeginStruct(2);
                writer.BeginStruct((int)logical.Unit + 1);
                writer.EndStruct();
                writer.EndStruct();
                break;
            case ParquetLogicalKind.Integer:
                writer.FieldI8(1, logical.BitWidth);
                writer.Field(2, logical.IsSigned);
                break;
        }

        writer.EndStruct();
        writer.EndStruct();
    }

    private static ParquetLogicalType Integer(int bits, bool signed) =>
        new(ParquetLogicalKind.Integer) { BitWidth = bits, IsSigned = signed };
}
