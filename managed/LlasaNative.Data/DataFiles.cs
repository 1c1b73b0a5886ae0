namespace LlasaNative.Data;

/// <summary>The files that a path stands for, and what was left out of a directory and why.</summary>
/// <remarks>
/// <para>A file that is named is taken as it is. Of a directory all files of a known kind are, but for hidden files and folders
/// (names with a dot in front), folders with two underscores in front (<c>__MACOSX</c>), and <c>.txt</c> files that are about
/// the data (<c>LICENSE.txt</c>, <c>README.txt</c>); of these those that the directory's <c>README.md</c> lists, where it lists
/// any (<see cref="DatasetCard"/>); of these, where it or their names say splits (<see cref="SplitNames"/>), those of the wanted
/// one.</para>
/// <para><b>Threads:</b> immutable.</para>
/// </remarks>
/// <example><code>DataFiles files = DataFiles.Find("data", DataSplit.Train); Console.Error.WriteLine(files.Describe());</code></example>
public sealed class DataFiles
{
    private const int NamesShown = 5;

    private static readonly string[] _abouts =
    [
        "readme", "license", "licence", "copying", "copyright", "notice", "changelog", "citation", "authors", "contributors", "contributing", "requirements",
    ];

    private readonly List<string> _taken = [];
    private readonly List<(string Name, string Why)> _left = [];
    private Func<string, bool> _isKnown = TextSource.IsKnown;
    private string _rule = "";

    private DataFiles(string root) => Root = root;

    /// <summary>The path as the user named it.</summary>
    public string Root { get; }

    /// <summary>Paths of the files, at least one, in the order of their names.</summary>
    public IReadOnlyList<string> Paths => [.. _taken.Select(name => name.Length == 0 ? Root : Path.Combine(Root, name))];

    /// <summary>Names below the directory that are not read, each with the reason; a folder stands for what is in it.</summary>
    public IReadOnlyList<(string Name, string Why)> LeftOut => _left;

    /// <summary>Whether a file was named; otherwise a directory was.</summary>
    public bool IsSingle => _taken is [""];

    /// <summary>Finds the files of a path.</summary>
    /// <param name="path">A file or a directory.</param>
    /// <param name="split">What they are read for.</param>
    /// <exception cref="DataFileException">There is no such file.</exception>
    /// <exception cref="UsageException">There is none that can be used; the message says what there is instead.</exception>
    public static DataFiles Find(string path, DataSplit split = DataSplit.All)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (Directory.Exists(path))
        {
            List<string> names = [];
            DataFiles files = new(path);
            files.Walk(new DirectoryInfo(path), "", RealPath.Of(path), names);
            string card = Path.Combine(path, DatasetCard.FileName);
            return files.Choose(names, split, File.Exists(card) ? ReadCard(card) : null);
        }

        return !File.Exists(path) ? throw new DataFileException(path, null, "there is no such file")
            : TextSource.IsKnown(path) ? new DataFiles(path) { _taken = { "" } }
            : throw new UsageException($"{path}: expected a directory or a file that ends in {TextSource.Endings}");
    }

    /// <summary>The files of a kind below a directory; hidden ones, and folders that hold no data, are left out, and links are followed once, as by <see cref="Find"/>.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="isKnown">Whether a file is of the kind, by its name.</param>
    /// <returns>Their paths, in order.</returns>
    /// <exception cref="DataFileException">A folder cannot be read.</exception>
    internal static string[] Below(string directory, Func<string, bool> isKnown)
    {
        List<string> names = [];
        new DataFiles(directory) { _isKnown = isKnown }.Walk(new DirectoryInfo(directory), "", RealPath.Of(directory), names);
        return [.. names.Order(StringComparer.Ordinal).Select(name => Path.Combine(directory, name))];
    }

    /// <summary>Chooses among the names of a place that is not on this machine.</summary>
    /// <param name="place">The place, for messages.</param>
    /// <param name="names">Paths below it, with slashes.</param>
    /// <param name="split">What they are read for.</param>
    /// <param name="card">Path here of its <c>README.md</c>; null where it has none.</param>
    /// <returns>The chosen names, at least one.</returns>
    /// <exception cref="UsageException">As <see cref="Find"/>.</exception>
    public static IReadOnlyList<string> Choose(string place, IEnumerable<string> names, DataSplit split, string? card = null)
    {
        ArgumentNullException.ThrowIfNull(names);
        DataFiles files = new(place);
        List<string> candidates = [];
        foreach (string name in names)
        {
            string[] parts = name.Split('/');
            string? why = parts[..^1].Select(FolderFault).FirstOrDefault(fault => fault is not null) ?? files.FileFault(parts[^1]);
            files.Sort(name, why, candidates);
        }

        return files.Choose(candidates, split, card is null ? null : ReadCard(card))._taken;
    }

    /// <summary>One line for the user: how many files were taken and why, and what was left out.</summary>
    /// <param name="rows">How many texts each path held; null when that is not known.</param>
    public string Describe(IReadOnlyDictionary<string, int>? rows = null)
    {
        string taken = Listed([.. _taken.Zip(Paths).Select(f => rows is null
            ? f.First : string.Create(CultureInfo.InvariantCulture, $"{f.First} ({rows.GetValueOrDefault(f.Second)})"))]);
        string count = rows is null ? "" : string.Create(CultureInfo.InvariantCulture, $", {rows.Values.Sum()} texts");
        string left = string.Concat(_left.GroupBy(l => l.Why).Select(g => $"; left out ({g.Key}): {Listed([.. g.Select(l => l.Name)])}"));
        return string.Create(CultureInfo.InvariantCulture, $"{Root}: {_rule}, {_taken.Count} {(_taken.Count == 1 ? "file" : "files")}{count}: {taken}{left}");
    }

    /// <summary>The entries of all files, with those that cannot be used.</summary>
    internal IEnumerable<SourceRow> Rows(string textField, IReadOnlyList<string>? codeColumns = null) =>
        Paths.SelectMany(file => TextSource.Read(file, textField, codeColumns ?? TextSource.UsualCodes));

    private static string Listed(string[] names) => names.Length <= NamesShown
        ? string.Join(", ", names)
        : string.Create(CultureInfo.InvariantCulture, $"{string.Join(", ", names.Take(NamesShown - 1))} and {names.Length - NamesShown + 1} more");

    private static string? FolderFault(string name) => name.StartsWith('.') ? "hidden" : name.StartsWith("__", StringComparison.Ordinal) ? "not data" : null;

    private string? FileFault(string name)
    {
        bool isAbout = name.EndsWith(".txt", StringComparison.OrdinalIgnoreCase) && Array.Exists(_abouts, about =>
            name.StartsWith(about, StringComparison.OrdinalIgnoreCase) && !char.IsAsciiLetterOrDigit(name[about.Length]));
        return name.StartsWith('.') ? "hidden" : !_isKnown(name) ? "other kinds" : isAbout ? "about the data" : null;
    }

    private void Sort(string name, string? why, List<string> candidates)
    {
        if (TokenMatrix.IsShape(name))
        {
            return;   // read with the file whose shape it is
        }

        if (why is null)
        {
            candidates.Add(name);
        }
        else
        {
            _left.Add((name, why));
        }
    }

    // real: the directory without links.
    private void Walk(DirectoryInfo directory, string prefix, string real, List<string> names)
    {
        FileSystemInfo[] entries = DataFileException.Reading(directory.FullName, directory.GetFileSystemInfos);
        foreach (FileSystemInfo entry in entries.OrderBy(e => e.Name, StringComparer.Ordinal))
        {
            string name = prefix + entry.Name;
            if (entry is not DirectoryInfo folder)
            {
                Sort(name, FileFault(entry.Name), names);
            }
            else if (FolderFault(entry.Name) is { } why)
            {
                _left.Add((name + "/", why));
            }
            else if ((folder.LinkTarget is null ? Path.Combine(real, entry.Name) : RealPath.Of(Path.Combine(real, entry.Name))) is var target && (real + "/").StartsWith(target + "/", StringComparison.Ordinal))
            {
                _left.Add((name + "/", "a link to a folder above"));   // followed, it would give every file again, and again
            }
            else
            {
                Walk(folder, name + "/", target, names);
            }
        }
    }

    private static string ReadCard(string path) => DataFileException.Reading(path, () => File.ReadAllText(path));

    /// <summary>The splits of the files that a card lists; the others are left out.</summary>
    private IReadOnlyDictionary<string, DataSplit[]> Listed(DatasetCard card, List<string> names)
    {
        IReadOnlyDictionary<string, DataSplit[]> splits = card.Of(names);
        _left.AddRange(names.Where(name => !splits.ContainsKey(name)).Select(name => (name, $"not in the `configs` of {DatasetCard.FileName}")));
        names.RemoveAll(name => !splits.ContainsKey(name));
        return names.Count > 0 ? splits
            : throw new UsageException($"{Root}: none of the files is one that the `configs` of {DatasetCard.FileName} lists: {Listed([.. _left.Select(l => l.Name)])}");
    }

    private DataFiles Choose(List<string> names, DataSplit split, string? readme)
    {
        if (names.Count == 0)
        {
            string there = _left.Count == 0 ? "it is empty" : $"there is only {Listed([.. _left.Select(l => $"{l.Name} ({l.Why})")])}";
            throw new UsageException($"{Root}: no file to read, which would end in {TextSource.Endings}; {there}");
        }

        names.Sort(StringComparer.Ordinal);
        DatasetCard? card = readme is null ? null : DatasetCard.Read(Root, readme);
        IReadOnlyDictionary<string, DataSplit[]> splits = card is null ? SplitNames.Of(names) : Listed(card, names);
        string by = card is null ? "by name" : $"by {DatasetCard.FileName}";
        bool isSaid = splits.Values.Any(s => s.Length > 0);
        DataSplit[] order = split switch
        {
            DataSplit.Train => [DataSplit.Train],
            DataSplit.Validation => [DataSplit.Validation, DataSplit.Test],
            DataSplit.Test => [DataSplit.Test, DataSplit.Validation],
            DataSplit.All => [],
            _ => throw new ArgumentOutOfRangeException(nameof(split)),
        };
        foreach (DataSplit wanted in isSaid ? order : [])
        {
            string[] found = [.. names.Where(name => splits[name].Contains(wanted))];
            if (found.Length > 0)
            {
                return Take($"the {Name(wanted)} split {by}", found);
            }
        }

        if (isSaid && split == DataSplit.Train)
        {
            // Whoever keeps a test set apart does not want it learned; files of no split may be.
            string[] free = [.. names.Where(name => splits[name].Length == 0)];
            return free.Length > 0 ? Take("the files of no split", free) : throw new UsageException(
                $"{Root}: {(card is null ? "by their names" : by)} none of the files is for training: {Listed([.. names.Select(name => $"{name} ({Name(splits[name][0])})")])}; name the file that is");
        }

        return Take(
            split == DataSplit.All ? card is null ? "all files" : $"all files {by}" : isSaid ? "all files, as none is named for a test or validation" : "all files, as no name says a split",
            names);

        DataFiles Take(string rule, IReadOnlyCollection<string> taken)
        {
            _rule = rule;
            _taken.AddRange(taken);
            _left.AddRange(names.Except(taken).Select(name => (name, splits[name].Length > 0 ? $"{Name(splits[name][0])} split" : "of no split")));
            return this;
        }
    }

    private static string Name(DataSplit split) => split switch
    {
        DataSplit.Train => "train",
        DataSplit.Validation => "validation",
        DataSplit.Test => "test",
        DataSplit.All => "any",
        _ => throw new ArgumentOutOfRangeException(nameof(split)),
    };
}
