namespace LlasaNative.Data;

/// <summary>Reads texts and utterances from <c>.txt</c>, <c>.jsonl</c>, <c>.csv</c> and <c>.parquet</c> files, or a directory of them.</summary>
/// <remarks><see cref="PromptSet"/> is the same with the place of each text. <b>Threads:</b> any.</remarks>
public static class PromptFile
{
    /// <summary>Reads all texts; a row without one is refused.</summary>
    /// <param name="path">Path of the file or directory, of which all files are read whatever their names.</param>
    /// <param name="textField">Field that holds the text, for files with fields.</param>
    /// <returns>At least one text, trimmed.</returns>
    /// <exception cref="LlasaException">The file cannot be read, is of another kind, or a row has no text; the message names the row.</exception>
    public static string[] Read(string path, string textField = "text") => [.. PromptSet.Read(DataFiles.Find(path), textField).Texts];

    /// <summary>Reads utterances for supervised training: rows with a text and its speech codes.</summary>
    /// <param name="files">Files of .jsonl or .parquet with <c>codes</c>.</param>
    /// <param name="codeCount">Size of the codebook.</param>
    /// <param name="textField">Field that holds the text.</param>
    /// <param name="faults">What happens to rows that have no text or codes.</param>
    /// <param name="onSkipped">Told of every row that is left out; may be null.</param>
    /// <returns>At least one utterance.</returns>
    /// <exception cref="LlasaException">The file cannot be read, or a row is refused; the message names the row.</exception>
    public static IReadOnlyList<Utterance> ReadUtterances(
        DataFiles files, int codeCount, string textField = "text", RowFaults faults = RowFaults.Refuse, Action<LlasaException>? onSkipped = null) =>
        [.. ReadUtterances(files, codeCount, utterance => utterance, textField, faults, onSkipped)];

    /// <summary>Makes something of every utterance that fits, one after another: only what is made now is in memory.</summary>
    /// <typeparam name="T">What is made.</typeparam>
    /// <param name="files">Files of .jsonl or .parquet with <c>codes</c>.</param>
    /// <param name="codeCount">Size of the codebook.</param>
    /// <param name="make">Throws <see cref="UsageException"/> for an utterance that does not fit the model.</param>
    /// <param name="textField">Field that holds the text.</param>
    /// <param name="faults">What happens to rows that have no text or codes, or do not fit.</param>
    /// <param name="onSkipped">Told of every row that is left out; may be null.</param>
    /// <param name="decode">What a row of token ids says, as far as the tokenizer knows; null where files of such rows are refused.</param>
    /// <returns>What was made, in order, at least one; read as it is enumerated.</returns>
    /// <exception cref="LlasaException">The file cannot be read, or a row is refused (while enumerating); the message names the row.</exception>
    public static IEnumerable<T> ReadUtterances<T>(
        DataFiles files, int codeCount, Func<Utterance, T> make, string textField = "text", RowFaults faults = RowFaults.Refuse, Action<LlasaException>? onSkipped = null,
        Func<int[], Utterance>? decode = null)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(make);
        return ReadRows(files, codeCount, TextSource.UsualCodes, (text, codes, voice) => make(new Utterance(text, codes[0]) { Voice = voice }), "utterance", textField, faults, onSkipped, decode);
    }

    /// <summary>Makes something of every preference that fits: rows with a text and two lists of codes, <c>chosen</c> and <c>rejected</c>.</summary>
    /// <typeparam name="T">What is made.</typeparam>
    /// <param name="files">Files of .jsonl or .parquet.</param>
    /// <param name="codeCount">Size of the codebook.</param>
    /// <param name="make">Throws <see cref="UsageException"/> for a pair that does not fit the model.</param>
    /// <param name="textField">Field that holds the text.</param>
    /// <param name="faults">What happens to rows that have no text or codes, or do not fit.</param>
    /// <param name="onSkipped">Told of every row that is left out; may be null.</param>
    /// <returns>What was made, in order, at least one.</returns>
    /// <exception cref="LlasaException">The file cannot be read, or a row is refused; the message names the row.</exception>
    public static IReadOnlyList<T> ReadPairs<T>(
        DataFiles files, int codeCount, Func<PreferencePair, T> make, string textField = "text", RowFaults faults = RowFaults.Refuse, Action<LlasaException>? onSkipped = null)
    {
        ArgumentNullException.ThrowIfNull(make);
        ArgumentNullException.ThrowIfNull(files);
        return [.. ReadRows(
            files, codeCount, ["chosen", "rejected"], (text, codes, voice) => make(new PreferencePair(text, codes[0], codes[1]) { Voice = voice }), "pair of `chosen` and `rejected`", textField, faults, onSkipped)];
    }

    private static IEnumerable<T> ReadRows<T>(
        DataFiles files, int codeCount, IReadOnlyList<string> codeColumns, Func<string, IReadOnlyList<int>[], VoiceReference?, T> make, string what, string textField, RowFaults faults, Action<LlasaException>? onSkipped,
        Func<int[], Utterance>? decode = null)
    {
        var count = 0L;
        foreach (var row in files.Rows(textField, codeColumns))
        {
            T? made = default;
            var fault = row.TokenIds is not null && decode is not null
                ? Tried(row, () => made = Decoded(row, decode, make))
                : row.Fault ?? RowFault(row, codeCount, codeColumns, (text, codes) => made = make(text, codes, row.Voice));
            if (fault is not null)
            {
                PromptSet.Handle(fault, faults, onSkipped);
                continue;
            }

            count++;
            yield return made!;
        }

        if (count == 0)
        {
            throw new DataFileException(files.Root, null, $"holds no {what}");
        }
    }

    private static T Decoded<T>(SourceRow row, Func<int[], Utterance> decode, Func<string, IReadOnlyList<int>[], VoiceReference?, T> make)
    {
        var said = decode(row.TokenIds!);
        return make(said.Text, [said.Codes], null);
    }

    private static LlasaException? RowFault(SourceRow row, int codeCount, IReadOnlyList<string> codeColumns, Action<string, IReadOnlyList<int>[]> take)
    {
        var text = row.Text.Trim();
        if (text.Length == 0)
        {
            return row.Place.Fault("the text is empty");
        }

        for (var i = 0; i < codeColumns.Count; i++)
        {
            if (row.CodeLists.ElementAtOrDefault(i) is not { Count: > 0 } codes)
            {
                return row.Place.Fault($"has no list `{codeColumns[i]}`");
            }

            foreach (var code in codes)
            {
                if ((uint)code >= (uint)codeCount)
                {
                    return row.Place.Fault(string.Create(CultureInfo.InvariantCulture, $"`{codeColumns[i]}`: code {code} is not a whole number from 0 to {codeCount - 1}"));
                }
            }
        }

        return Tried(row, () => take(text, [.. row.CodeLists.OfType<IReadOnlyList<int>>()]));
    }

    private static LlasaException? Tried(SourceRow row, Action take)
    {
        try
        {
            take();
            return null;
        }
        catch (UsageException e)
        {
            return row.Place.Fault(e.Message, e);
        }
    }
}
