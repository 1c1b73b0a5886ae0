using Apache.Arrow;
using Apache.Arrow.Types;

namespace LlasaNative.Data.Parquet;

/// <summary>Reads and writes data sets in verl's schema.</summary>
/// <remarks><b>Threads:</b> any; each enumeration belongs to one.</remarks>
public static class VerlFile
{
    private static readonly string[] _columns =
    [
        "data_source", "prompt", "ability", "reward_model.style", "reward_model.ground_truth",
        "extra_info.split", "extra_info.index", "extra_info.text", "language", "duration", "codes",
    ];

    private static readonly (VerlColumns Flag, Field Field, Func<VerlRow, object?> Value)[] _optional =
    [
        (VerlColumns.Language, Text("language"), row => row.Language),
        (VerlColumns.Duration, Nullable("duration", DoubleType.Default), row => row.Duration),
        (VerlColumns.Codes, List("codes", Int32Type.Default), row => row.Codes?.Cast<object?>().ToArray()),
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
    /// <param name="optional">The optional columns it has.</param>
    /// <returns>A new schema; every value may be null.</returns>
    public static Schema Schema(VerlColumns optional = VerlColumns.None)
    {
        Field[] fields =
        [
            Text("data_source"),
            List("prompt", new StructType([Text("role"), Text("content")])),
            Text("ability"),
            Nullable("reward_model", new StructType([Text("style"), Text("ground_truth")])),
            Nullable("extra_info", new StructType([Text("split"), Nullable("index", Int64Type.Default), Text("text")])),
            .. _optional.Where(column => optional.HasFlag(column.Flag)).Select(column => column.Field),
        ];
        return new Schema(fields, null);
    }

    /// <summary>Writes a file; it appears under its name when all rows have been written.</summary>
    /// <param name="path">The file.</param>
    /// <param name="rows">The rows; an optional column is written when one has it.</param>
    /// <param name="options">How to write; null for the defaults.</param>
    /// <exception cref="ParquetException">The file cannot be written.</exception>
    public static void Write(string path, IReadOnlyCollection<VerlRow> rows, ParquetWriteOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(rows);
        VerlColumns optional = rows.Aggregate(VerlColumns.None, (columns, row) => columns | Optional(row));
        using ParquetWriter writer = ParquetWriter.Create(path, Schema(optional), options);
        foreach (VerlRow row in rows)
        {
            writer.Write(Values(row, optional));
        }

        writer.Complete();
    }

    /// <summary>The values of a row in the order of <see cref="Schema(VerlColumns)"/>.</summary>
    /// <param name="row">The row.</param>
    /// <param name="optional">As for <see cref="Schema(VerlColumns)"/>.</param>
    /// <returns>One value for each column below the root.</returns>
    public static object?[] Values(VerlRow row, VerlColumns optional = VerlColumns.None)
    {
        ArgumentNullException.ThrowIfNull(row);
        return
        [
            row.DataSource,
            row.Prompt.Select(message => new ParquetRow(_messageNames, [message.Role, message.Content])).ToArray(),
            row.Ability,
            new ParquetRow(_rewardNames, [row.RewardStyle, row.GroundTruth]),
            new ParquetRow(_extraNames, [row.Split, row.Index, row.Text]),
            .. _optional.Where(column => optional.HasFlag(column.Flag)).Select(column => column.Value(row)),
        ];
    }

    /// <summary>The optional columns that a row has.</summary>
    /// <param name="row">The row.</param>
    public static VerlColumns Optional(VerlRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        return (row.Language is null ? VerlColumns.None : VerlColumns.Language)
            | (row.Duration is null ? VerlColumns.None : VerlColumns.Duration)
            | (row.Codes is null ? VerlColumns.None : VerlColumns.Codes);
    }

    /// <summary>Every row with its place: the row, or what is wrong with it.</summary>
    internal static IEnumerable<(VerlRow? Row, ParquetException? Fault, RowPlace Place)> ReadPlaces(string path, bool needsPrompt)
    {
        using ParquetReader reader = ParquetReader.Open(path);
        bool hasText = reader.Has("extra_info.text") || reader.Has("reward_model.ground_truth");
        string[] columns = [.. _columns.Where(column => reader.Has(column) && (needsPrompt || !hasText || column != "prompt"))];
        if (needsPrompt && !columns.Contains("prompt"))
        {
            throw new ParquetException(path, null, "prompt", null, "verl's schema needs this column");
        }

        foreach ((RowPlace place, ParquetRow row) in reader.ReadPlaced(columns))
        {
            VerlRow? result = null;
            ParquetException? fault = null;
            try
            {
                result = VerlConversion.ToRow(row, needsPrompt);
            }
            catch (ParquetException e)
            {
                fault = e.At(path, place.RowGroup, row: place.Number);
            }

            yield return (result, fault, place);
        }
    }

    private static Field Nullable(string name, IArrowType type) => new(name, type, nullable: true);

    private static Field Text(string name) => Nullable(name, StringType.Default);

    private static Field List(string name, IArrowType element) => Nullable(name, new ListType(Nullable("element", element)));

    private static IEnumerable<VerlRow> ReadRows(string path, VerlReadOptions options)
    {
        foreach ((VerlRow? row, ParquetException? fault, _) in ReadPlaces(path, needsPrompt: true))
        {
            if (row is not null)
            {
                yield return row;
                continue;
            }

            if (!options.SkipMalformed)
            {
                throw fault!;
            }

            options.OnSkipped?.Invoke(fault!);
        }
    }
}
