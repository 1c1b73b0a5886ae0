namespace LlasaNative.Data;

/// <summary>Texts to speak, each with the place it was read from, so that a fault found later can still name it.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
/// <example>
/// <code>
/// PromptSet prompts = PromptSet.Read(DataFiles.Find("data", DataSplit.Train), "text", RowFaults.Skip, fault => Console.Error.WriteLine(fault.Message));
/// EncodedText[] texts = prompts.Fitting(text => models.Encode(text, maxNewTokens: 400));
/// </code>
/// </example>
public sealed class PromptSet
{
    private readonly string _path;
    private readonly Row[] _rows;
    private readonly RowFaults _faults;
    private readonly Action<LlasaException>? _onSkipped;

    private PromptSet(string path, IEnumerable<Row> rows, RowFaults faults, Action<LlasaException>? onSkipped)
    {
        (_path, _rows, _faults, _onSkipped) = (path, [.. rows], faults, onSkipped);
        if (_rows.Length == 0)
        {
            throw NoText(path);
        }

        (Texts, Voices, Languages) = ([.. _rows.Select(row => row.Text)], [.. _rows.Select(row => row.Voice)], [.. _rows.Select(row => row.Language)]);
    }

    /// <summary>The texts, trimmed, at least one.</summary>
    public IReadOnlyList<string> Texts { get; }

    /// <summary>The voice that each text's row names; null where it names none.</summary>
    public IReadOnlyList<VoiceReference?> Voices { get; }

    /// <summary>The language that each text's row names, as it is written there; null where it names none.</summary>
    public IReadOnlyList<string?> Languages { get; }

    /// <summary>How many texts each file gave.</summary>
    public IReadOnlyDictionary<string, int> Counts => _rows.CountBy(row => row.Place.Path).ToDictionary();

    /// <summary>Reads all texts of files, see <see cref="TextSource"/>; blank lines of a .txt file are left out.</summary>
    /// <param name="files">The files.</param>
    /// <param name="textField">The field that holds the text, for files with fields.</param>
    /// <param name="faults">What happens to rows that hold no text.</param>
    /// <param name="onSkipped">Told of every row that is left out; may be null.</param>
    /// <exception cref="LlasaException">The file cannot be read, is of another kind, holds no text, or a row is refused; the message names its place.</exception>
    public static PromptSet Read(
        DataFiles files, string textField = "text", RowFaults faults = RowFaults.Refuse, Action<LlasaException>? onSkipped = null)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentException.ThrowIfNullOrEmpty(textField);
        return new PromptSet(files.Root, Rows(), faults, onSkipped);

        IEnumerable<Row> Rows()
        {
            foreach (var row in files.Rows(textField))
            {
                var text = row.Text.Trim();
                var fault = row.Fault ?? (text.Length == 0 ? row.Place.Fault("the text is empty") : null);
                if (fault is null)
                {
                    yield return new(text, row.Place, row.Voice, row.Language);
                }
                else
                {
                    Handle(fault, faults, onSkipped);
                }
            }
        }
    }

    /// <summary>Makes something of every text that fits, by the same rule for faults.</summary>
    /// <typeparam name="T">What is made.</typeparam>
    /// <param name="make">Throws <see cref="UsageException"/> for a text that does not fit.</param>
    /// <returns>What was made, in order, at least one.</returns>
    /// <exception cref="LlasaException">A text does not fit and is refused, or none is left; the message names its place.</exception>
    public T[] Fitting<T>(Func<string, T> make) => Fitting((text, _) => make(text));

    /// <summary>Makes something of every text that fits, and of the voice that its row names.</summary>
    /// <typeparam name="T">What is made.</typeparam>
    /// <param name="make">Throws <see cref="UsageException"/> for a text that does not fit.</param>
    /// <returns>What was made, in order, at least one.</returns>
    /// <exception cref="LlasaException">As <see cref="Fitting{T}(Func{string, T})"/>.</exception>
    public T[] Fitting<T>(Func<string, VoiceReference?, T> make)
    {
        ArgumentNullException.ThrowIfNull(make);
        List<T> made = new(_rows.Length);
        foreach (var row in _rows)
        {
            try
            {
                made.Add(make(row.Text, row.Voice));
            }
            catch (UsageException e)
            {
                Handle(row.Place.Fault(e.Message, e), _faults, _onSkipped);
            }
        }

        return made.Count > 0 ? [.. made] : throw NoText(_path);
    }

    /// <summary>The first so many texts.</summary>
    /// <param name="count">How many at most; 0 for all.</param>
    public PromptSet Take(int count) => count == 0 ? this : new PromptSet(_path, _rows.Take(count), _faults, _onSkipped);

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{_rows.Length} texts of {_path}");

    private static DataFileException NoText(string path) => new(path, null, "holds no text");

    internal static void Handle(LlasaException fault, RowFaults faults, Action<LlasaException>? onSkipped)
    {
        if (faults == RowFaults.Refuse)
        {
            throw fault;
        }

        onSkipped?.Invoke(fault);
    }

    private readonly record struct Row(string Text, RowPlace Place, VoiceReference? Voice, string? Language);
}
