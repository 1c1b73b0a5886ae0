using System.Globalization;

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
    /// <param name="check">Throws <see cref="UsageException"/> for an utterance that does not fit the model; may be null.</param>
    /// <returns>At least one utterance.</returns>
    /// <exception cref="LlasaException">The file cannot be read, or a row is refused; the message names the row.</exception>
    public static IReadOnlyList<Utterance> ReadUtterances(
        DataFiles files, int codeCount, string textField = "text", RowFaults faults = RowFaults.Refuse,
        Action<LlasaException>? onSkipped = null, Action<Utterance>? check = null)
    {
        ArgumentNullException.ThrowIfNull(files);
        List<Utterance> utterances = [];
        foreach (var row in files.Rows(textField))
        {
            Utterance? utterance = null;
            var fault = row.Fault ?? UtteranceFault(row, codeCount, check, out utterance);
            if (fault is null)
            {
                utterances.Add(utterance!);
            }
            else
            {
                PromptSet.Handle(fault, faults, onSkipped);
            }
        }

        return utterances.Count > 0 ? utterances : throw new DataFileException(files.Root, null, "holds no utterance");
    }

    private static LlasaException? UtteranceFault(SourceRow row, int codeCount, Action<Utterance>? check, out Utterance? utterance)
    {
        utterance = null;
        var text = row.Text.Trim();
        if (text.Length == 0)
        {
            return row.Place.Fault("the text is empty");
        }

        if (row.Codes is not { Count: > 0 } codes)
        {
            return row.Place.Fault("has no list `codes`");
        }

        foreach (var code in codes)
        {
            if ((uint)code >= (uint)codeCount)
            {
                return row.Place.Fault(string.Create(CultureInfo.InvariantCulture, $"code {code} is not a whole number from 0 to {codeCount - 1}"));
            }
        }

        utterance = new Utterance(text, codes);
        try
        {
            check?.Invoke(utterance);
            return null;
        }
        catch (UsageException e)
        {
            return row.Place.Fault(e.Message, e);
        }
    }
}
