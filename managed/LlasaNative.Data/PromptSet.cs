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
    private readonly string[] _texts;
    private readonly RowPlace[] _places;
    private readonly VoiceReference?[] _voices;
    private readonly string?[] _languages;
    private readonly RowFaults _faults;
    private readonly Action<LlasaException>? _onSkipped;

    private PromptSet(string path, IEnumerable<(string Text, RowPlace Place, VoiceReference? Voice, string? Language)> rows, RowFaults faults, Action<LlasaException>? onSkipped)
    {
        (string Text, RowPlace Place, VoiceReference? Voice, string? Language)[] all = [.. rows];
        _languages = Array.ConvertAll(all, row => row.Language);
        (_path, _faults, _onSkipped) = (path, faults, onSkipped);
        (_texts, _places, _voices) = (Array.ConvertAll(all, row => row.Text), Array.ConvertAll(all, row => row.Place), Array.ConvertAll(all, row => row.Voice));
        if (_texts.Length == 0)
        {
            throw NoText(path);
        }
    }

    /// <summary>The texts, trimmed, at least one.</summary>
    public IReadOnlyList<string> Texts => _texts;

    /// <summary>The voice that each text's row names; null where it names none.</summary>
    public IReadOnlyList<VoiceReference?> Voices => _voices;

    /// <summary>The language that each text's row names, as it is written there; null where it names none.</summary>
    public IReadOnlyList<string?> Languages => _languages;

    /// <summary>How many texts each file gave.</summary>
    public IReadOnlyDictionary<string, int> Counts => _places.CountBy(place => place.Path).ToDictionary();

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

        IEnumerable<(string Text, RowPlace Place, VoiceReference? Voice, string? Language)> Rows()
        {
            foreach (var row in files.Rows(textField))
            {
                var text = row.Text.Trim();
                var fault = row.Fault ?? (text.Length == 0 ? row.Place.Fault("the text is empty") : null);
                if (fault is null)
                {
                    yield return (text, row.Place, row.Voice, row.Language);
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
        List<T> made = new(_texts.Length);
        for (var i = 0; i < _texts.Length; i++)
        {
            try
            {
                made.Add(make(_texts[i], _voices[i]));
            }
            catch (UsageException e)
            {
                Handle(_places[i].Fault(e.Message, e), _faults, _onSkipped);
            }
        }

        return made.Count > 0 ? [.. made] : throw NoText(_path);
    }

    /// <summary>The first so many texts.</summary>
    /// <param name="count">How many at most; 0 for all.</param>
    public PromptSet Take(int count) => count == 0
        ? this
        : new PromptSet(_path, Enumerable.Range(0, Math.Min(count, _texts.Length)).Select(i => (_texts[i], _places[i], _voices[i], _languages[i])), _faults, _onSkipped);

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{_texts.Length} texts of {_path}");

    private static DataFileException NoText(string path) => new(path, null, "holds no text");

    internal static void Handle(LlasaException fault, RowFaults faults, Action<LlasaException>? onSkipped)
    {
        if (faults == RowFaults.Refuse)
        {
            throw fault;
        }

        onSkipped?.Invoke(fault);
    }
}
