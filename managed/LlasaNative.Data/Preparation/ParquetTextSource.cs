namespace LlasaNative.Data;

/// <summary>Reads texts from a Parquet file: a column of texts, or verl's schema.</summary>
internal static class ParquetTextSource
{
    private static readonly string[] _beside = ["language", "duration", "voice", "voice_text"];

    public static IEnumerable<SourceRow> Read(string path, string textColumn, IReadOnlyList<string> codeColumns)
    {
        bool isVerl;
        using (ParquetReader reader = ParquetReader.Open(path))
        {
            isVerl = !reader.HasText(textColumn);
            if (isVerl && !reader.HasText("extra_info.text") && !reader.HasText("reward_model.ground_truth") && !reader.Has("prompt"))
            {
                throw new ParquetException(path, null, textColumn, null, "there is no such column of texts, nor verl's columns");
            }
        }

        return isVerl ? ReadVerl(path) : ReadColumn(path, textColumn, codeColumns);
    }

    private static IEnumerable<SourceRow> ReadVerl(string path)
    {
        foreach ((VerlRow? row, ParquetException? fault, RowPlace place) in VerlFile.ReadPlaces(path, needsPrompt: false))
        {
            yield return row is null
                ? SourceRow.Broken(place, fault!)
                : new SourceRow(row.Text, row.Language, row.Duration) { CodeLists = [row.Codes], Place = place };
        }
    }

    private static IEnumerable<SourceRow> ReadColumn(string path, string textColumn, IReadOnlyList<string> codeColumns)
    {
        using ParquetReader reader = ParquetReader.Open(path);
        string[] columns =
        [
            textColumn,
            .. _beside.Where(reader.Columns.Contains),
            .. codeColumns.Where(reader.Has),
        ];
        foreach ((RowPlace place, ParquetRow row) in reader.ReadPlaced(columns))
        {
            yield return FromRow(row, textColumn, codeColumns, place);
        }
    }

    private static SourceRow FromRow(ParquetRow row, string textColumn, IReadOnlyList<string> codeColumns, RowPlace place)
    {
        if (row.Find(textColumn) is not string text)
        {
            return SourceRow.Broken(place, new ParquetException(place.Path, place.RowGroup, textColumn, place.Number, "it is null"));
        }

        try
        {
            return new SourceRow(text, row.Find("language") as string, VerlConversion.Duration(row.Find("duration")))
            {
                CodeLists = [.. codeColumns.Select(name => VerlConversion.Codes(row.Find(name), name))],
                Voice = SourceRow.VoiceOf(place, row.Find("voice") as string, row.Find("voice_text") as string),
                Place = place,
            };
        }
        catch (ParquetException e)
        {
            return SourceRow.Broken(place, e.At(place.Path, place.RowGroup, row: place.Number));
        }
    }
}
