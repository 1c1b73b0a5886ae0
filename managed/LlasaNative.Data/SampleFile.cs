using Apache.Arrow;
using Apache.Arrow.Types;
using LlasaNative.Training;

namespace LlasaNative.Data;

/// <summary>Parquet files of samples with their codes, and of pairs of samples.</summary>
/// <remarks><b>Threads:</b> any.</remarks>
public static class SampleFile
{
    private static readonly string[] _columns = ["text", "codes", "policy", "voice", "voice_text", "transcript", "reward", "cer", "nll", "ended", "f0_semitones", "rate"];

    /// <summary>Writes samples: columns <c>text</c> and <c>codes</c>, as <c>llasa sft</c> reads them, and what is known of each.</summary>
    /// <param name="path">The file; it appears when it is complete.</param>
    /// <param name="samples">The samples.</param>
    /// <exception cref="ParquetException">The file cannot be written.</exception>
    public static void Write(string path, IEnumerable<SampledSpeech> samples)
    {
        ArgumentNullException.ThrowIfNull(samples);
        Schema schema = new(
            [Text("text"), Codes("codes"), Text("policy"), Text("voice"), Text("voice_text"), Text("transcript"), Number("reward"), Number("cer"), Number("nll"), Flag("ended"), Number("f0_semitones"), Number("rate")],
            null);
        WriteRows(path, schema, samples.Select(s => (object?[])[
            s.Text, Listed(s.Codes), s.Policy, s.Voice?.Path, s.Voice?.Text, s.Transcript, Finite(s.Reward), Finite(s.Cer), Finite(s.Nll), s.Ended, Finite(s.F0Semitones), Finite(s.Rate)]));
    }

    /// <summary>Reads what <see cref="Write(string, IEnumerable{SampledSpeech})"/> wrote.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="ParquetException">It cannot be read, or holds something else.</exception>
    public static IReadOnlyList<SampledSpeech> Read(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        using ParquetReader reader = ParquetReader.Open(path);
        if (_columns.FirstOrDefault(name => !reader.Has(name)) is { } missing)
        {
            throw new ParquetException(path, null, missing, null, "there is no such column; `llasa sample` writes files of samples");
        }

        List<SampledSpeech> samples = [];
        foreach ((RowPlace place, ParquetRow row) in reader.ReadPlaced(_columns))
        {
            if (row["text"] is not string text || row["codes"] is not IReadOnlyList<object?> codes || codes.Any(code => code is not int))
            {
                throw place.Fault("has no text, or no list of codes");
            }

            double Value(string name) => row[name] as double? ?? double.NaN;
            samples.Add(new SampledSpeech(text, [.. codes.OfType<int>()])
            {
                Policy = row["policy"] as string ?? "",
                Voice = row["voice"] is string voice ? new VoiceReference(voice, row["voice_text"] as string) : null,
                Transcript = row["transcript"] as string ?? "",
                Reward = Value("reward"), Cer = Value("cer"), Nll = Value("nll"), Ended = row["ended"] is true, F0Semitones = Value("f0_semitones"), Rate = Value("rate"),
            });
        }

        return samples;
    }

    /// <summary>Writes pairs: <c>chosen</c> and <c>rejected</c>, as <c>llasa dpo</c> reads them, or <c>a</c> and <c>b</c> where nobody has chosen, and what is known of each.</summary>
    /// <param name="path">The file; it appears when it is complete.</param>
    /// <param name="pairs">The pairs, all judged or none.</param>
    /// <exception cref="ParquetException">The file cannot be written.</exception>
    public static void Write(string path, IReadOnlyList<SpeechPair> pairs)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        var (first, second) = pairs.Count > 0 && !pairs[0].IsJudged ? ("a", "b") : ("chosen", "rejected");
        IEnumerable<Field> Side(string name) =>
            [Codes(name), Text($"{name}_policy"), Number($"{name}_reward"), Number($"{name}_cer"), Number($"{name}_f0_semitones"), Number($"{name}_rate")];
        static IEnumerable<object?> Values(SampledSpeech s) => [Listed(s.Codes), s.Policy, Finite(s.Reward), Finite(s.Cer), Finite(s.F0Semitones), Finite(s.Rate)];
        Schema schema = new([Text("text"), Text("voice"), Text("voice_text"), .. Side(first), .. Side(second)], null);
        WriteRows(path, schema, pairs.Select(p => (object?[])[p.First.Text, p.First.Voice?.Path, p.First.Voice?.Text, .. Values(p.First), .. Values(p.Second)]));
    }

    /// <summary>Reads pairs, judged or not.</summary>
    /// <param name="path">The file.</param>
    /// <returns>At least one pair.</returns>
    /// <exception cref="ParquetException">It cannot be read, or holds no pairs.</exception>
    public static IReadOnlyList<SpeechPair> ReadPairs(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        using ParquetReader reader = ParquetReader.Open(path);
        bool isJudged = reader.Has("chosen");
        (string first, string second) = isJudged ? ("chosen", "rejected") : ("a", "b");
        if (!reader.Has(first) || !reader.Has(second) || !reader.HasText("text"))
        {
            throw new ParquetException(path, null, null, null, "has no columns `text`, and `chosen` and `rejected` or `a` and `b`; `llasa pair` writes files of pairs");
        }

        string[] columns = ["text", first, second, .. new[] { "voice", "voice_text", $"{first}_policy", $"{second}_policy" }.Where(reader.HasText)];
        List<SpeechPair> pairs = [];
        foreach ((RowPlace place, ParquetRow row) in reader.ReadPlaced(columns))
        {
            string? Value(string name) => row.Find(name) as string;
            SampledSpeech Side(string name) => row["text"] is string text && row[name] is IReadOnlyList<object?> { Count: > 0 } codes && codes.All(code => code is int)
                ? new SampledSpeech(text, [.. codes.OfType<int>()]) { Policy = Value($"{name}_policy") ?? "", Voice = Value("voice") is { } voice ? new VoiceReference(voice, Value("voice_text")) : null }
                : throw new ParquetException(path, place.RowGroup, name, place.Number, "has no text, or no list of codes");
            pairs.Add(new SpeechPair(Side(first), Side(second), isJudged));
        }

        return pairs.Count > 0 ? pairs : throw new ParquetException(path, null, null, null, "holds no pairs");
    }

    private static void WriteRows(string path, Schema schema, IEnumerable<object?[]> rows)
    {
        using ParquetWriter writer = ParquetWriter.Create(path, schema);
        foreach (object?[] row in rows)
        {
            writer.Write(row);
        }

        writer.Complete();
    }

    private static object?[] Listed(IReadOnlyList<int> codes) => [.. codes.Cast<object?>()];

    private static double? Finite(double value) => double.IsFinite(value) ? value : null;

    private static Field Text(string name) => new(name, StringType.Default, nullable: true);

    private static Field Number(string name) => new(name, DoubleType.Default, nullable: true);

    private static Field Flag(string name) => new(name, BooleanType.Default, nullable: true);

    private static Field Codes(string name) => new(name, new ListType(new Field("element", Int32Type.Default, true)), nullable: true);
}
