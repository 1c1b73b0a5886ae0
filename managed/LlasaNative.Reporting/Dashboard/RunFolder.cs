using System.Text.RegularExpressions;

namespace LlasaNative.Reporting.Dashboard;

/// <summary>A directory of a run as the dashboard sees it, also while the run goes on.</summary>
/// <remarks><b>Threads:</b> any; calls wait for each other.</remarks>
public sealed partial class RunFolder
{
    private const int MaxRows = 1000;
    private readonly Lock _lock = new();
    private readonly LineTail _metricsTail;
    private readonly LineTail _samplesTail;
    private readonly MetricColumns _metrics = new();
    private readonly SampleIndex _samples = new();
    private int _epoch;

    /// <summary>Looks at a directory.</summary>
    /// <param name="path">Directory of a run.</param>
    /// <param name="name">What it is called; null for the directory's name.</param>
    /// <param name="mustExist">Whether a directory without <c>metrics.jsonl</c> is refused, as opposed to waited for.</param>
    /// <exception cref="LlasaException">There is no run.</exception>
    public RunFolder(string path, string? name = null, bool mustExist = true)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        Path = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
        Name = name ?? System.IO.Path.GetFileName(Path);
        if (mustExist && !File.Exists(In("metrics.jsonl")))
        {
            throw new LlasaException($"{path}: {(Directory.Exists(Path) ? "holds no metrics.jsonl: not the directory of a run" : "there is no such directory")}");
        }

        _metricsTail = new LineTail(In("metrics.jsonl"));
        _samplesTail = new LineTail(In("samples.jsonl"));
    }

    /// <summary>Full path of the directory.</summary>
    public string Path { get; }

    /// <summary>What it is called.</summary>
    public string Name { get; }

    /// <summary>Finds the runs among directories and below them, one level down; names are made different.</summary>
    /// <param name="paths">Directories of runs, or of directories of runs.</param>
    /// <exception cref="LlasaException">A directory holds no run.</exception>
    public static IReadOnlyList<RunFolder> Find(IEnumerable<string> paths)
    {
        ArgumentNullException.ThrowIfNull(paths);
        List<string> found = [];
        foreach (var path in paths)
        {
            string[] below = !File.Exists(System.IO.Path.Combine(path, "metrics.jsonl")) && Directory.Exists(path)
                ? [.. Directory.GetDirectories(path).Where(d => File.Exists(System.IO.Path.Combine(d, "metrics.jsonl"))).Order(StringComparer.Ordinal)]
                : [];
            found.AddRange(below.Length > 0 ? below : [path]);
        }

        string[] full = [.. found.Select(p => System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(p))).Distinct()];
        return [.. full.Select(p => new RunFolder(p, Distinct(p, full)))];
    }

    /// <summary>Reads what was added to the run's files.</summary>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public void Refresh()
    {
        lock (_lock)
        {
            _metricsTail.Read(Restart(_metrics.Clear), (line, _) => _metrics.Add(line));
            _samplesTail.Read(Restart(_samples.Clear), _samples.Add);
        }

        Action Restart(Action clear) => () =>
        {
            clear();
            _epoch++;
        };
    }

    /// <summary>The run's options and machine; null when <c>run.json</c> is missing or being written.</summary>
    public JsonElement? ReadManifest()
    {
        try
        {
            return JsonElement.Parse(File.ReadAllBytes(In("run.json")));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    /// <summary>Full path of a sound of this run; null when there is none of that name.</summary>
    /// <param name="name">File name, as in the <c>sound</c> of a sample, without its directory.</param>
    public string? FindSound(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        // The pattern has no separator and no dot but one: what it lets through cannot leave the directory. A link could.
        if (!SoundName().IsMatch(name))
        {
            return null;
        }

        FileInfo file = new(In("samples/" + name));
        return file.Exists && file.LinkTarget is null ? file.FullName : null;
    }

    /// <summary>How much there is: <c>name</c>, <c>epoch</c>, <c>rows</c>, <c>samples</c>, <c>started</c>, for <see cref="JsonWriting.ToPage"/>.</summary>
    public object ReadState()
    {
        Refresh();
        var started = ReadManifest() is { ValueKind: JsonValueKind.Object } manifest && manifest.TryGetProperty("started", out var value)
            ? value.ToString() : "";
        lock (_lock)
        {
            return new { Name, Epoch = _epoch, Rows = _metrics.Count, Samples = _samples.Count, Started = started };
        }
    }

    /// <summary>The measurements: <c>epoch</c>, <c>from</c>, <c>steps</c>, <c>columns</c>, for <see cref="JsonWriting.ToPage"/>.</summary>
    /// <param name="epoch">Epoch that the reader knows; another one than now: all of them.</param>
    /// <param name="from">Rows that the reader has.</param>
    public object ReadMetrics(int epoch, int from)
    {
        lock (_lock)
        {
            from = From(epoch, from, _metrics.Count);
            return new { Epoch = _epoch, From = from, Steps = _metrics.Steps(from), Columns = _metrics.Columns(from) };
        }
    }

    /// <summary>Which samples there are: <c>epoch</c>, <c>from</c>, <c>count</c>, <c>starts</c>, <c>sounding</c>, for <see cref="JsonWriting.ToPage"/>.</summary>
    /// <param name="epoch">Epoch that the reader knows; another one than now: all of them.</param>
    /// <param name="from">Samples that the reader has.</param>
    public object ReadIndex(int epoch, int from)
    {
        lock (_lock)
        {
            from = From(epoch, from, _samples.Count);
            return new { Epoch = _epoch, From = from, _samples.Count, Starts = _samples.Starts(from), Sounding = _samples.SoundingFrom(from) };
        }
    }

    /// <summary>Objects of <c>samples.jsonl</c>, as they are in the file.</summary>
    /// <param name="first">First sample.</param>
    /// <param name="count">How many; at most 1000 are given, and no more than there are.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public IReadOnlyList<JsonElement> ReadSamples(int first, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        (long Offset, int Length)[] rows;
        lock (_lock)
        {
            rows = [.. _samples.Lines(first, Math.Min(count, MaxRows))];
        }

        if (rows.Length == 0)
        {
            return [];
        }

        using FileStream file = new(In("samples.jsonl"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        List<JsonElement> samples = [];
        foreach (var (offset, length) in rows)
        {
            var line = new byte[length];
            file.Position = offset;
            // Cut back since it was indexed: the next refresh will say so.
            if (file.ReadAtLeast(line, length, throwOnEndOfStream: false) == length && JsonLines.Parse(line) is { } sample)
            {
                samples.Add(sample);
            }
        }

        return samples;
    }

    /// <summary>Samples whose sound was kept: row and path within the run.</summary>
    internal IReadOnlyList<(int Row, string Path)> Sounding
    {
        get
        {
            lock (_lock)
            {
                return [.. _samples.Sounding];
            }
        }
    }

    internal int SampleCount
    {
        get
        {
            lock (_lock)
            {
                return _samples.Count;
            }
        }
    }

    /// <summary>The directory's name, with as many of its parents as it takes to tell it from the others.</summary>
    private static string Distinct(string path, string[] all)
    {
        var parts = path.Split(System.IO.Path.DirectorySeparatorChar);
        for (var count = 1; count < parts.Length; count++)
        {
            var name = string.Join('/', parts[^count..]);
            if (all.Count(p => p.EndsWith("/" + name, StringComparison.Ordinal)) == 1)
            {
                return name;
            }
        }

        return path;
    }

    [GeneratedRegex(@"^step-[0-9]{1,12}-[A-Za-z0-9_-]{1,40}\.wav\z", RegexOptions.CultureInvariant)]
    private static partial Regex SoundName();

    private int From(int epoch, int from, int count) => epoch == _epoch && from >= 0 && from <= count ? from : 0;

    private string In(string name) => System.IO.Path.Combine(Path, name);
}
