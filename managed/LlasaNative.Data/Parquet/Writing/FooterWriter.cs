namespace LlasaNative.Data.Parquet;

/// <summary>Writes the footer.</summary>
internal static class FooterWriter
{
    private const string CreatedBy = "llasa-native version 0.1.0 (build 0)";

    public static ReadOnlySpan<byte> Make(ParquetSchema schema, IReadOnlyList<ParquetRowGroup> groups, ParquetWriteOptions options)
    {
        ThriftWriter writer = new();
        writer.BeginElement();
        writer.Field(1, 2);
        List<ParquetField> fields = SchemaTree.Flatten(schema);
        writer.BeginList(2, ThriftType.Struct, fields.Count);
        foreach (ParquetField field in fields)
        {
            WriteField(writer, field);
        }

        writer.Field(3, groups.Sum(group => group.RowCount));
        writer.BeginList(4, ThriftType.Struct, groups.Count);
        for (int i = 0; i < groups.Count; i++)
        {
            WriteRowGroup(writer, groups[i], i);
        }

        if (options.Metadata.Count > 0)
        {
            writer.BeginList(5, ThriftType.Struct, options.Metadata.Count);
            foreach ((string key, string value) in options.Metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            {
                writer.BeginElement();
                writer.Field(1, key);
                writer.Field(2, value);
                writer.EndStruct();
            }
        }

        writer.Field(6, CreatedBy);

        // Without column orders readers do not trust the bounds.
        writer.BeginList(7, ThriftType.Struct, schema.Columns.Count);
        foreach (ParquetField _ in schema.Columns)
        {
            writer.BeginElement();
            writer.BeginStruct(1);
            writer.EndStruct();
            writer.EndStruct();
        }

        writer.EndStruct();
        return writer.Written;
    }

    private static void WriteField(ThriftWriter writer, ParquetField field)
    {
        writer.BeginElement();
        if (field.PhysicalType is ParquetPhysicalType type)
        {
            writer.Field(1, (int)type);
            if (type == ParquetPhysicalType.FixedLengthByteArray)
            {
                writer.Field(2, field.TypeLength);
            }
        }

        if (field.Parent is not null)
        {
            writer.Field(3, (int)field.Repetition);
        }

        writer.Field(4, field.Name);
        if (!field.IsLeaf)
        {
            writer.Field(5, field.Children.Count);
        }

        if (LogicalTypeFormat.ToConverted(field.LogicalType) is int converted)
        {
            writer.Field(6, converted);
        }

        if (field.LogicalType.Kind == ParquetLogicalKind.Decimal)
        {
            writer.Field(7, field.LogicalType.Scale);
            writer.Field(8, field.LogicalType.Precision);
        }

        LogicalTypeFormat.Write(writer, 10, field.LogicalType);
        writer.EndStruct();
    }

    private static void WriteRowGroup(ThriftWriter writer, ParquetRowGroup group, int ordinal)
    {
        writer.BeginElement();
        writer.BeginList(1, ThriftType.Struct, group.Columns.Count);
        foreach (ParquetColumnChunk chunk in group.Columns)
        {
            writer.BeginElement();
            writer.Field(2, 0L);
            writer.BeginStruct(3);
            WriteChunk(writer, chunk);
            writer.EndStruct();
            writer.EndStruct();
        }

        writer.Field(2, group.TotalBytes);
        writer.Field(3, group.RowCount);
        writer.Field(5, group.Columns.Count > 0 ? group.Columns[0].Start : 0);
        writer.Field(6, group.Columns.Sum(chunk => chunk.CompressedBytes));
        if (ordinal <= short.MaxValue)
        {
            writer.FieldI16(7, ordinal);
        }

        writer.EndStruct();
    }

    private static void WriteChunk(ThriftWriter writer, ParquetColumnChunk chunk)
    {
        writer.Field(1, (int)chunk.PhysicalType);
        writer.BeginList(2, ThriftType.I32, chunk.Encodings.Count);
        foreach (ParquetEncoding encoding in chunk.Encodings)
        {
            writer.Element((int)encoding);
        }

        writer.BeginList(3, ThriftType.Binary, chunk.PathInSchema.Count);
        foreach (string name in chunk.PathInSchema)
        {
            writer.Element(name);
        }

        writer.Field(4, (int)chunk.Codec);
        writer.Field(5, chunk.ValueCount);
        writer.Field(6, chunk.UncompressedBytes);
        writer.Field(7, chunk.CompressedBytes);
        writer.Field(9, chunk.DataPageOffset);
        if (chunk.DictionaryPageOffset is long offset)
        {
            writer.Field(11, offset);
        }

        chunk.Statistics?.Write(writer, 12);
    }
}
