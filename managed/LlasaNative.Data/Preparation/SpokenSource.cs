namespace LlasaNative.Data;

/// <summary>Reads texts with their sounds from sound files, directories, manifests and audio data sets, one by one.</summary>
/// <remarks>
/// <para>A sound file has its text beside it, in a <c>.txt</c> file of the same name. Of a directory the manifests are read
/// (<c>.jsonl</c>, <c>.csv</c>, <c>.parquet</c>, as <see cref="DataFiles"/> finds them), or where it has none all sound files (but for hidden ones, and links in circles). A <c>.txt</c>,
/// or a <c>.csv</c> whose first line does not name the columns, has lines of <c>path|text</c>: the first field is the sound, the last the text, and all lines have as many.</para>
/// <para>Paths are taken from the manifest's folder; one without its ending is looked for as <c>PATH.wav</c> and <c>wavs/PATH.wav</c>, as LJ Speech
/// has them. With an <c>offset</c> an entry is a part of its sound, <c>duration</c> seconds long, as NeMo has it. A Parquet column of sounds is Hugging Face's struct of <c>bytes</c> and <c>path</c>, bytes alone, or paths.</para>
/// <para><b>Threads:</b> any; each enumeration belongs to one.</para>
/// </remarks>
/// <example><code>foreach (SpokenRow row in new SpokenSource("corpus", IsSound).Read()) { … }</code></example>
public sealed class SpokenSource
{
    // What manifests call their sounds: ours and Hugging Face's, its AudioFolder's, NeMo's.
    private static readonly string[] _usual = ["audio", "file_name", "audio_filepath", "path"];
    private static readonly string[] _partColumns = ["offset", "duration"];

    // A row may be a minute of sound.
    private const int ParquetBatchRows = 32;

    private readonly Func<string, bool> _isSound;
    private readonly string _textColumn;
    private readonly string[] _soundColumns;
    private readonly string[] _files;
    private readonly string? _except;

    /// <summary>Finds the files of a source.</summary>
    /// <param name="path">A file or a directory.</param>
    /// <param name="isSound">Whether a file is a sound, by its name.</param>
    /// <param name="textColumn">The field that holds the text.</param>
    /// <param name="soundColumn">The field that holds the sound; null for the usual ones.</param>
    /// <param name="except">A file that is none of a directory's, such as what was made of it before; null for none.</param>
    /// <exception cref="LlasaException">There is no such file, or nothing to read in the directory.</exception>
    public SpokenSource(string path, Func<string, bool> isSound, string textColumn = "text", string? soundColumn = null, string? except = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(isSound);
        _except = except is null ? null : RealPath.Of(except);
        (_isSound, _textColumn, _soundColumns) = (isSound, textColumn, soundColumn is null ? _usual : [soundColumn]);
        _files = Directory.Exists(path) ? FilesOf(path)
            : !File.Exists(path) ? throw new DataFileException(path, null, "there is no such file")
            : isSound(path) || IsManifest(path) ? [path]
            : throw new UsageException($"{path}: expected a directory, a sound file, or a manifest that ends in .txt, .jsonl, .csv or .parquet");
    }

    /// <summary>What is said in a sound, by the <c>.txt</c> of its name beside it.</summary>
    /// <param name="path">The sound.</param>
    /// <returns>The text, trimmed, perhaps empty; null when there is no such file.</returns>
    /// <exception cref="DataFileException">It cannot be read, or is not UTF-8; the message names the sound.</exception>
    public static string? TextBeside(string path)
    {
        string beside = Path.ChangeExtension(path, ".txt");
        try
        {
            return File.ReadAllText(beside, new UTF8Encoding(false, throwOnInvalidBytes: true)).Trim();
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or DecoderFallbackException)
        {
            throw new DataFileException(path, null, $"{Path.GetFileName(beside)} beside it cannot be read: {(e is DecoderFallbackException ? "it is not valid UTF-8" : e.Message)}", e);
        }
    }

    /// <summary>Number of entries, with those that cannot be used; sounds are not looked at.</summary>
    public long Count() => _files.Sum(CountOf);

    /// <summary>The entries in order, with those that cannot be used.</summary>
    /// <param name="skip">How many are left out at the beginning.</param>
    /// <exception cref="LlasaException">A file as a whole cannot be read (while enumerating).</exception>
    public IEnumerable<SpokenRow> Read(long skip = 0)
    {
        foreach (string file in _files)
        {
            long rows = skip == 0 ? 0 : CountOf(file);
            if (skip == 0 || skip < rows)
            {
                foreach (SpokenRow row in ReadFile(file, skip))
                {
                    yield return row;
                }
            }

            skip = Math.Max(0, skip - rows);
        }
    }

    private static bool IsManifest(string path) => TextSource.IsKnown(path);

    private static bool IsParquet(string path) => Path.GetExtension(path).Equals(".parquet", StringComparison.OrdinalIgnoreCase);

    private long CountOf(string path)
    {
        using ParquetReader? reader = IsParquet(path) ? ParquetReader.Open(path) : null;
        return reader?.RowCount ?? ReadFile(path, 0).LongCount();
    }

    private string[] FilesOf(string directory)
    {
        bool IsTable(string file) => IsManifest(file) && !file.EndsWith(".txt", StringComparison.OrdinalIgnoreCase) && RealPath.Of(file) != _except;
        string[] files = DataFiles.Below(directory, file => _isSound(file) || IsManifest(file));
        if (files.Any(IsTable))
        {
            return [.. DataFiles.Find(directory).Paths.Where(IsTable)];
        }

        string[] sounds = [.. files.Where(_isSound)];
        return sounds.Length > 0 ? sounds : throw new UsageException($"{directory}: holds neither a manifest (.jsonl, .csv, .parquet) nor sound files");
    }

    private IEnumerable<SpokenRow> ReadFile(string path, long skip)
    {
        if (IsParquet(path))
        {
            return ReadParquet(path, skip);
        }

        IEnumerable<SpokenRow> rows = _isSound(path) ? [ReadSound(path)] : Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".jsonl" => TextSource.Lines(path).Select(line => FromJson(new RowPlace(path, line.Number), line.Text)),
            ".csv" when NamesColumns(path) => ReadCsv(path),
            _ => ReadFields(path),
        };
        return rows.Skip(checked((int)skip));
    }

    private static SpokenRow ReadSound(string path)
    {
        SpokenRow row = new(path, SoundPath: path);
        try
        {
            return TextBeside(path) is { } text ? Complete(row with { Text = text })
                : row with { Fault = row.Error($"there is no {Path.GetFileName(Path.ChangeExtension(path, ".txt"))} beside it, which would hold what is said") };
        }
        catch (DataFileException e)
        {
            return row with { Fault = e };
        }
    }

    // The first line says how many fields a line has: one with more, or fewer, holds the mark in its text, and its last field would be half of it.
    private static IEnumerable<SpokenRow> ReadFields(string path)
    {
        int count = 0;
        foreach ((long number, string line) in TextSource.Lines(path))
        {
            RowPlace place = new(path, number);
            string[] fields = line.Split('|');
            count = count < 2 ? fields.Length : count;
            yield return fields.Length < 2 ? Broken(place, "expected `path|text`")
                : fields.Length != count ? Broken(place, string.Create(CultureInfo.InvariantCulture, $"{fields.Length} fields between `|`, the first has {count}: a text that holds one needs a .jsonl or .csv manifest"))
                : Complete(At(place, fields[0].Trim()) with { Text = fields[^1].Trim() });
        }
    }

    private SpokenRow FromJson(RowPlace place, string line)
    {
        try
        {
            using JsonDocument document = PythonJson.Parse(Encoding.UTF8.GetBytes(line));
            JsonElement root = document.RootElement;
            if (TextSource.NoText(root, _textColumn) is { } missing)
            {
                return Broken(place, missing);
            }

            string? path = _soundColumns.Select(name => TextSource.Text(root, name)
                ?? (root.TryGetProperty(name, out JsonElement group) && group.ValueKind == JsonValueKind.Object ? TextSource.Text(group, "path") : null)).FirstOrDefault(p => p is not null);
            return path is null ? Broken(place, NoSound()) : Complete(Part(At(place, path), Raw(root, "offset"), Raw(root, "duration")) with
            {
                Text = TextSource.Text(root, _textColumn)!.Trim(), Language = TextSource.Text(root, "language"),
            });
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return Broken(place, $"it is no valid JSON: {e.Message}", e);
        }

        static string? Raw(JsonElement element, string name) => element.TryGetProperty(name, out JsonElement value) ? value.ToString() : null;
    }

    // A first line that has one of the two columns was meant to name both.
    private bool NamesColumns(string path)
    {
        if (CsvRecords(path).FirstOrDefault() is not { Fields: { } names })
        {
            return false;
        }

        (bool text, bool sound) = (names.Contains(_textColumn), _soundColumns.Any(names.Contains));
        return text == sound || names.Any(name => name.Contains('|', StringComparison.Ordinal)) ? text && sound : throw new DataFileException(path, 1, text
            ? $"{NoSound()}: the columns are {string.Join(", ", names)}"
            : $"there is no column `{_textColumn}` among {string.Join(", ", names)}");
    }

    private IEnumerable<SpokenRow> ReadCsv(string path)
    {
        string[]? names = null;
        (int sound, int text, int language, int offset, int duration) = (0, 0, 0, -1, -1);
        foreach ((long number, string[] fields) in CsvRecords(path))
        {
            if (names is null)
            {
                names = fields;
                (sound, text, language) = (Array.IndexOf(names, _soundColumns.First(names.Contains)), Array.IndexOf(names, _textColumn), Array.IndexOf(names, "language"));
                (offset, duration) = (Array.IndexOf(names, "offset"), Array.IndexOf(names, "duration"));
                continue;
            }

            RowPlace place = new(path, number);
            yield return fields.Length != names.Length
                ? Broken(place, $"{fields.Length} fields instead of {names.Length}, or an open quote")
                : Complete(Part(At(place, fields[sound]), fields.ElementAtOrDefault(offset), fields.ElementAtOrDefault(duration)) with { Text = fields[text].Trim(), Language = language < 0 || fields[language].Length == 0 ? null : fields[language] });
        }
    }

    private static IEnumerable<(long Number, string[] Fields)> CsvRecords(string path) => CsvReader.ReadFile(path).Where(record => record.Fields is not [""]);

    private IEnumerable<SpokenRow> ReadParquet(string path, long skip)
    {
        using ParquetReader reader = ParquetReader.Open(path, ParquetBatchRows);
        string sound = _soundColumns.FirstOrDefault(reader.Has) ?? throw new ParquetException(path, null, null, null, NoSound());
        if (!reader.HasText(_textColumn))
        {
            throw new ParquetException(path, null, _textColumn, null, "there is no such column of texts");
        }

        string[] columns = [sound, _textColumn, .. reader.HasText("language") ? ["language"] : Array.Empty<string>(), .. _partColumns.Where(reader.Columns.Contains)];
        foreach ((RowPlace place, ParquetRow row) in reader.ReadPlaced(columns, skip))
        {
            yield return FromParquet(row, sound, place);
        }
    }

    private SpokenRow FromParquet(ParquetRow row, string column, RowPlace place)
    {
        object? value = row.Find(column);
        (byte[]? bytes, string? path) = value switch
        {
            ParquetRow group => (group.Find("bytes") as byte[], group.Find("path") as string),
            byte[] alone => (alone, null),
            _ => (null, value as string),
        };
        if (bytes is null && path is null)
        {
            return Broken(place, $"`{column}` holds no sound");
        }

        SpokenRow read = bytes is null ? At(place, path!) : new SpokenRow(path ?? NameOf(place), place, Sound: bytes);
        return Complete(Part(read, Time("offset"), Time("duration")) with { Text = (row.Find(_textColumn) as string ?? string.Empty).Trim(), Language = row.Find("language") as string });

        // NaN is what pandas writes where a cell is empty.
        string? Time(string name) => row.Find(name) is not null and not double.NaN and not float.NaN and var time ? Convert.ToString(time, CultureInfo.InvariantCulture) : null;
    }

    private static SpokenRow At(RowPlace place, string path)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(place.Path))!;
        string[] candidates = [Path.Combine(folder, path), Path.Combine(folder, path + ".wav"), Path.Combine(folder, "wavs", path + ".wav")];
        return new SpokenRow(path, place, SoundPath: candidates.FirstOrDefault(File.Exists) ?? candidates[0]);
    }

    // An entry that says where in its sound it begins is a part of it; without that its duration is only told.
    private static SpokenRow Part(SpokenRow row, string? offset, string? duration)
    {
        static bool IsTime(string text, out double seconds) => double.TryParse(text, CultureInfo.InvariantCulture, out seconds) && double.IsFinite(seconds) && seconds >= 0;
        double length = 0;
        return string.IsNullOrEmpty(offset) ? row
            : !IsTime(offset, out double start) ? row with { Fault = row.Error($"`offset` is {offset}, expected seconds, at least 0") }
            : !string.IsNullOrEmpty(duration) && !(IsTime(duration, out length) && length > 0) ? row with { Fault = row.Error($"`duration` is {duration}, expected seconds, more than 0, of the part from `offset` on") }
            : row with { Start = start, Length = string.IsNullOrEmpty(duration) ? null : length };
    }

    private static SpokenRow Complete(SpokenRow row) => row.Fault is not null ? row : row.Text.Length == 0 ? row with { Fault = row.Error("the text is empty") }
        : row.Text.Contains('\0', StringComparison.Ordinal) ? row with { Text = string.Empty, Fault = row.Error("the text holds a NUL byte") }
        : row;

    private static SpokenRow Broken(RowPlace place, string message, Exception? cause = null) =>
        new(NameOf(place), place, Fault: place.Fault(message, cause));

    private static string NameOf(RowPlace place) => string.Create(CultureInfo.InvariantCulture, $"{Path.GetFileName(place.Path)}:{place.Number}");

    private string NoSound() => $"there is no sound in {string.Join(", ", _soundColumns.Select(name => $"`{name}`"))}";
}
