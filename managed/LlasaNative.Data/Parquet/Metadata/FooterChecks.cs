namespace LlasaNative.Data.Parquet;

/// <summary>Compares what the footer says with itself and with the file's length, before anything is read.</summary>
internal static class FooterChecks
{
    /// <param name="metadata">The footer.</param>
    /// <param name="schema">The schema made from it.</param>
    /// <param name="dataEnd">Offset of the footer: no page reaches beyond it.</param>
    public static void Check(FileMetadata metadata, ParquetSchema schema, long dataEnd)
    {
        long rows = 0;
        for (int g = 0; g < metadata.RowGroups.Count; g++)
        {
            ParquetRowGroup group = metadata.RowGroups[g];
            if (group.RowCount < 0 || group.RowCount > long.MaxValue - rows)
            {
                throw At(g, null, $"{group.RowCount} rows");
            }

            if (group.Columns.Count != schema.Columns.Count)
            {
                throw At(g, null, $"{group.Columns.Count} column chunks for {schema.Columns.Count} columns");
            }

            for (int c = 0; c < schema.Columns.Count; c++)
            {
                if (Fault(group.Columns[c], schema.Columns[c], group.RowCount, dataEnd) is string fault)
                {
                    throw At(g, schema.Columns[c].Path, fault);
                }
            }

            group.FirstRow = rows;
            rows += group.RowCount;
        }

        if (rows != metadata.RowCount)
        {
            throw new ParquetException($"the footer says {metadata.RowCount} rows, its row groups have {rows}");
        }
    }

    private static string? Fault(ParquetColumnChunk chunk, ParquetField column, long rows, long dataEnd)
    {
        if (chunk.IsEncrypted)
        {
            return "encrypted columns are not supported";
        }

        if (chunk.IsElsewhere)
        {
            return "the column chunk lies in another file, which is not supported";
        }

        if (chunk.PhysicalType != column.PhysicalType)
        {
            return $"the chunk holds {chunk.PhysicalType}, the schema says {column.PhysicalType}";
        }

        if (!IsPathOf(chunk.PathInSchema, column))
        {
            return $"the chunk belongs to column `{string.Join('.', chunk.PathInSchema)}`";
        }

        // Every row has at least one entry in every column, and exactly one without repetition.
        if (chunk.ValueCount < rows || (column.MaxRepetitionLevel == 0 && chunk.ValueCount != rows))
        {
            return $"{chunk.ValueCount} values for {rows} rows";
        }

        // Writers leave offsets at 0 for a chunk without values.
        bool empty = chunk.ValueCount == 0;
        return !empty && (chunk.Start < 4 || chunk.CompressedBytes < 0 || chunk.Start > dataEnd - chunk.CompressedBytes)
            ? $"bytes {chunk.Start} to {chunk.Start}+{chunk.CompressedBytes} are not all before the footer at {dataEnd}"
            : null;
    }

    private static bool IsPathOf(IReadOnlyList<string> path, ParquetField column)
    {
        ParquetField? at = column;
        for (int i = path.Count - 1; i >= 0; i--, at = at.Parent)
        {
            if (at?.Parent is null || at.Name != path[i])
            {
                return false;
            }
        }

        return at is { Parent: null };
    }

    private static ParquetException At(int rowGroup, string? column, string message) =>
        new(string.Empty, rowGroup, column, null, message);
}
