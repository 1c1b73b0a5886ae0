namespace LlasaNative.Data.Parquet;

/// <summary>Reads and writes data sets in verl's schema.</summary>
/// <remarks><b>Threads:</b> any; each enumeration belongs to one.</remarks>
public static class VerlFile
{
    private static readonly string[] _columns =
    [
        "data_source", "prompt", "ability", "reward_model.style", "reward_model.ground_truth",
        "extra_info.split", "extra_info.index", "extra_info.text", "language", "duration",
    ];

    private static readonly string[] _messageNames = ["role", "content"];
    private static readonly string[] _rewardNames = ["style", "ground_truth"];
    private static readonly string[] _extraNames = ["split", "index", "text"];

    /// <summary>Reads the rows of a file one by one; memory stays flat.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">What happens to rows that do not fit; null for the defaults.</param>
    /// <returns>The rows in the order of the file. Columns that verl's schema does not have are not read.</returns>
    /// <exception cref="ParquetException">The file is damaged, has no prompts, or holds a row that does not fit (while enumerating).</exception>
    public static IEnumerable<VerlRow> Read(string path, VerlReadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        return ReadRows(path, options ?? VerlReadOptions.Default);
    }

    /// <summary>The schema of a file that is written.</summary>
    /// <param name="withLanguage">Whether it has the column <c>language</c>.</param>
    /// <param name="withDuration">Whether it has the column <c>duration</c>.</param>
    /// <returns>A new schema.</returns>
    public static ParquetSchema Schema(bool withLanguage = false, bool withDuration = false)
    {
        List<ParquetField> fields =
        [
            ParquetField.Text("data_source"),
            ParquetField.List("prompt", ParquetField.Group("element", ParquetField.Text("role"), ParquetField.Text("content"))),
            ParquetField.Text("ability"),
            ParquetField.Group("reward_model", ParquetField.Text("style"), ParquetField.Text("ground_truth")),
            ParquetField.Group(
                "extra_info", ParquetField.Text("split"), ParquetField.Leaf("index", ParquetPhysicalType.Int64), ParquetField.Text("text")),
        ];
        if (withLanguage)
        {
            fields.Add(ParquetField.Text("language"));
        }

        if (withDuration)
        {
            fields.Add(ParquetField.Leaf("duration", ParquetPhysicalType.Double));
        }

        return new ParquetSchema([.. fields]);
    }

    /// <summary>Writes a file; it appears under its name when all rows have been written.</summary>
    /// <param name="path">The file.</param>
    /// <param name="rows">The rows; the columns <c>language</c> and <c>duration</c> are written when one has them.</param>
    /// <param name="options">How to write; null for the defaults.</param>
    /// <exception cref="ParquetException">The file cannot be written.</exception>
    public static void Write(string path, IReadOnlyCollection<VerlRow> rows, ParquetWriteOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(rows);
        bool withLanguage = rows.Any(row => row.Language is not null);
        bool withDuration = rows.Any(row => row.Duration is not null);
        using ParquetWriter writer = ParquetWriter.Create(path, Schema(withLanguage, withDuration), options);
        foreach (VerlRow row in rows)
        {
            writer.Write(Values(row, withLanguage, withDuration));
        }

        writer.Complete();
    }

    /// <summary>The values of a row in the order of <see cref="Schema"/>.</summary>
    /// <param name="row">The row.</param>
    /// <param name="withLanguage">As for <see cref="Schema"/>.</param>
    /// <param name="withDuration">As for <see cref="Schema"/>.</param>
    /// <returns>One value for each column below the root.</returns>
    public static object?[] Values(VerlRow row, bool withLanguage = false, bool withDuration = false)
    {
        ArgumentNullException.ThrowIfNull(row);
        List<object?> values =
        [
            row.DataSource,
            row.Prompt.Select(message => new ParquetRow(_messageNames, [message.Role, message.Content])).ToArray(),
            row.Ability,
            new ParquetRow(_rewardNames, [row.RewardStyle, row.GroundTruth]),
            new ParquetRow(_extraNames, [row.Split, row.Index, row.Text]),
        ];
        if (withLanguage)
        {
            values.Add(row.Language);
        }

        if (withDuration)
        {
            values.Add(row.Duration);
        }

        return [.. values];
    }

    private static IEnumerable<VerlRow> ReadRows(string path, VerlReadOptions options)
    {
        using ParquetReader reader = ParquetReader.Open(path);
        string[] columns = [.. _columns.Where(column => reader.Schema.Find(column) is not null)];
        if (!columns.Contains("prompt"))
        {
            throw new ParquetException(path, null, "prompt", null, "verl's schema needs this column");
        }

        for (int g = 0; g < reader.RowGroups.Count; g++)
        {
            long index = reader.RowGroups[g].FirstRow;
            foreach (ParquetRow row in reader.ReadRowGroup(g, columns))
            {
                VerlRow? result = null;
                try
                {
                    result = VerlConversion.ToRow(row);
                }
                catch (ParquetException e)
                {
                    ParquetException fault = e.At(path, g, row: index);
                    if (!options.SkipMalformed)
                    {
                        throw fault;
                    }

                    options.OnSkipped?.Invoke(fault);
                }

                index++;
                if (result is not null)
                {
                    yield return result;
                }
            }
        }
    }
}
