using Apache.Arrow;
using Apache.Arrow.Types;
using LlasaNative.Data.Parquet;

namespace LlasaNative.Trainer.Corpus;

/// <summary>What was encoded so far, beside the file that is to be made: a line for each entry of the sources, in their order, so that what was interrupted goes on.</summary>
internal sealed class EncodingJournal : IDisposable
{
    private readonly JsonLines _lines;

    private EncodingJournal(JsonLines lines) => _lines = lines;

    /// <summary>Entries that are done, those that were left out among them.</summary>
    public long Done { get; private set; }

    /// <summary>What the last of them is called; null without any.</summary>
    public string? Last { get; private set; }

    /// <summary>Path of the journal of a file.</summary>
    public static string PathOf(string output) => output + ".partial";

    /// <summary>Opens the journal of a file, as it was left or empty.</summary>
    /// <param name="output">The file that is to be made.</param>
    /// <param name="settings">What decides the codes: a journal of other settings is refused.</param>
    /// <param name="restart">Whether what there is is forgotten.</param>
    public static EncodingJournal Open(string output, string settings, bool restart)
    {
        var path = PathOf(output);
        var length = restart ? 0 : WholeLines(path);
        JsonLines lines = new(path, length);
        EncodingJournal journal = new(lines);
        try
        {
            if (length == 0)
            {
                lines.Append(new { Settings = settings });
                return journal;
            }

            var written = File.ReadLines(path).First();
            var before = JsonElement.Parse(written).TryGetProperty("settings", out var value) ? value.GetString() : null;
            UsageException.ThrowIf(
                before != settings, $"{path} is of an encoding with other settings, which `--restart` would forget: {before}; now: {settings}");
            var last = "";
            foreach (var line in File.ReadLines(path).Skip(1))
            {
                (journal.Done, last) = (journal.Done + 1, line);
            }

            journal.Last = journal.Done == 0 ? null : EncodedRow.Parse(path, journal.Done + 1, last).Source;
            return journal;
        }
        catch (Exception e)
        {
            journal.Dispose();
            throw e is JsonException ? new UsageException($"{path} is not what `llasa encode` wrote; `--restart` replaces it", e) : e;
        }
    }

    public void Append(IEnumerable<EncodedRow> rows)
    {
        foreach (var row in rows)
        {
            _lines.Append(row.ToLine());
            Done++;
        }

        _lines.FlushToDisk();
    }

    /// <summary>What is in it, in the order of the sources.</summary>
    public IEnumerable<EncodedRow> Read() => File.ReadLines(_lines.Path).Select((line, i) => (line, i)).Skip(1).Select(l => EncodedRow.Parse(_lines.Path, l.i + 1, l.line));

    /// <summary>Makes the file of it, and ends it.</summary>
    public void Publish(string output)
    {
        if (IsParquet(output))
        {
            WriteParquet(output);
        }
        else
        {
            AtomicFile.Write(output, path => File.WriteAllLines(path, File.ReadLines(_lines.Path).Where(EncodedRow.IsEncoded)));
        }

        Forget();
    }

    /// <summary>Ends it without a file.</summary>
    public void Forget()
    {
        _lines.Dispose();
        File.Delete(_lines.Path);
    }

    /// <summary>Refuses a file of another kind, and a directory, which no work would be saved to.</summary>
    public static void CheckOutput(string output)
    {
        if (Directory.Exists(output))
        {
            throw new UsageException($"--output: {output} is a directory, expected a file");
        }

        if (!IsParquet(output) && !output.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase))
        {
            throw new UsageException($"--output: {output} ends in neither .jsonl nor .parquet");
        }
    }

    public void Dispose() => _lines.Dispose();

    private static bool IsParquet(string output) => output.EndsWith(".parquet", StringComparison.OrdinalIgnoreCase);

    private void WriteParquet(string output)
    {
        var (language, verified) = Read().Aggregate((false, false), (seen, row) => (seen.Item1 || row.Language is not null, seen.Item2 || row.Transcript is not null));
        List<Field> fields = [Text("text"), new("codes", new ListType(new Field("element", Int32Type.Default, true)), true), new("duration", DoubleType.Default, true), Text("source")];
        fields.AddRange(language ? [Text("language")] : []);
        fields.AddRange(verified ? [new Field("cer", DoubleType.Default, true), Text("transcript")] : []);
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(output))!);
        using var writer = ParquetWriter.Create(output, new Schema(fields, null));
        foreach (var row in Read().Where(row => row.Fault is null))
        {
            List<object?> values = [row.Text, row.Codes.Cast<object?>().ToArray(), row.Duration, row.Source];
            values.AddRange(language ? [row.Language] : []);
            values.AddRange(verified ? [row.Transcript is null ? null : row.Cer, row.Transcript] : []);
            writer.Write([.. values]);
        }

        writer.Complete();

        static Field Text(string name) => new(name, StringType.Default, nullable: true);
    }

    /// <summary>Bytes up to the end of the last whole line: a process that was killed may have left half of one.</summary>
    private static long WholeLines(string path)
    {
        if (!File.Exists(path))
        {
            return 0;
        }

        using var file = File.OpenRead(path);
        var buffer = new byte[1 << 16];
        for (var end = file.Length; end > 0;)
        {
            var start = Math.Max(0, end - buffer.Length);
            file.Position = start;
            file.ReadExactly(buffer, 0, (int)(end - start));
            if (buffer.AsSpan(0, (int)(end - start)).LastIndexOf((byte)'\n') is var at and >= 0)
            {
                return start + at + 1;
            }

            end = start;
        }

        return 0;
    }
}
