namespace LlasaNative.Reporting.Publishing;

/// <summary>What a run and its evaluation left behind, as a report reads it.</summary>
internal sealed class ReportedRun
{
    /// <summary>Where a run's evaluation is looked for, beside the run's directory itself.</summary>
    public const string EvaluationFolder = "evaluation";

    private static readonly string[] _drawn = ["seed", "temperature", "top_p"];
    private static readonly string[] _facts = ["command", "version", "started", "runtime", "system"];

    private ReportedRun(string name, string path) => (Name, Path) = (name, path);

    public string Name { get; }

    public string Path { get; }

    /// <summary>Samples of the evaluation, samples of a text one after another; empty without one.</summary>
    public IReadOnlyList<EvaluatedSample> Samples { get; private init; } = [];

    public int SamplesPerText { get; private init; } = 1;

    /// <summary>How the evaluation was drawn: seed, temperature, top_p; empty without one.</summary>
    public IReadOnlyDictionary<string, string> Drawn { get; private init; } = new Dictionary<string, string>();

    /// <summary>Command, version, machine and options of the run; empty without one.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; private init; } = new Dictionary<string, string>();

    public long Steps { get; private init; }

    public double Hours { get; private init; }

    /// <summary>Tokens that were drawn and trained on.</summary>
    public double Tokens { get; private init; }

    /// <summary>Updates whose gradient was not finite, and samples that nobody could listen to.</summary>
    public double Failures { get; private init; }

    /// <summary>Reads a run's directory or an evaluation's.</summary>
    /// <exception cref="LlasaException">It is neither, or a file of it cannot be read.</exception>
    public static ReportedRun Read(string path, string? name = null)
    {
        var folder = new[] { path, System.IO.Path.Combine(path, EvaluationFolder) }.FirstOrDefault(f => File.Exists(System.IO.Path.Combine(f, "summary.json")) && File.Exists(System.IO.Path.Combine(f, "samples.jsonl")));
        var manifest = System.IO.Path.Combine(path, "run.json");
        if (folder is null && !File.Exists(manifest))
        {
            throw new UsageException($"{path}: is neither a run (run.json), nor an evaluation that `llasa eval --out` wrote, nor holds one in {EvaluationFolder}/");
        }

        var (samplesPerText, drawn) = folder is null ? (1, []) : ReadWhole(System.IO.Path.Combine(folder, "summary.json"), "summary of an evaluation", SummaryOf);
        var samples = folder is null ? [] : LinesOf(System.IO.Path.Combine(folder, "samples.jsonl")).Select((line, i) => EvaluatedSample.Read(System.IO.Path.Combine(folder, "samples.jsonl"), i + 1, line)).ToArray();
        var rows = RowsOf(System.IO.Path.Combine(path, "metrics.jsonl"));
        return new ReportedRun(name ?? System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path))), path)
        {
            Samples = samples,
            SamplesPerText = samplesPerText,
            Drawn = drawn,
            Settings = File.Exists(manifest) ? ReadWhole(manifest, "manifest of a run", SettingsOf) : [],
            Steps = rows.Length,
            Hours = Sum(rows, "seconds/step") / 3600,
            Tokens = Sum(rows, "rollout/tokens") + Sum(rows, "sft/tokens") + Sum(rows, "dpo/tokens"),
            Failures = Sum(rows, "optimiser/skipped") + Sum(rows, "reward/not_scored"),
        };
    }

    // The last line of a run that is still written, or was killed while it wrote, is no row.
    private static JsonElement[] RowsOf(string path) =>
        File.Exists(path) ? [.. LinesOf(path).Select(line => JsonLines.Parse(Encoding.UTF8.GetBytes(line))).OfType<JsonElement>()] : [];

    private static double Sum(JsonElement[] rows, string name) =>
        rows.Sum(row => row.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : 0);

    private static string[] LinesOf(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LlasaException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    private static T ReadWhole<T>(string path, string what, Func<JsonElement, T> read)
    {
        try
        {
            return read(JsonElement.Parse(File.ReadAllText(path)));
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new LlasaException($"{path}: is no {what}: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LlasaException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    private static (int SamplesPerText, Dictionary<string, string> Drawn) SummaryOf(JsonElement root)
    {
        var count = root.GetProperty("samples_per_text").GetInt32();
        return count < 1 ? throw new FormatException($"samples_per_text is {count}, expected 1 or more")
            : (count, _drawn.Where(k => root.TryGetProperty(k, out _)).ToDictionary(k => k, k => root.GetProperty(k).GetRawText()));
    }

    private static Dictionary<string, string> SettingsOf(JsonElement root)
    {
        Dictionary<string, string> settings = [];
        foreach (var key in _facts)
        {
            settings[key] = root.TryGetProperty(key, out var value) ? value.ToString() : "";
        }

        foreach (var (section, prefix) in new[] { ("device", "device."), ("options", "") })
        {
            foreach (var value in root.TryGetProperty(section, out var values) ? values.EnumerateObject().ToArray() : [])
            {
                settings[prefix + value.Name] = value.Value.ToString();
            }
        }

        return settings;
    }
}
