namespace LlasaNative.Text;

/// <summary>
/// Whisper's normaliser for any language: lower case, no bracketed parts, no symbols or punctuation, single spaces. A space
/// at either end may remain.
/// </summary>
/// <param name="removeDiacritics">Letters lose their marks too.</param>
/// <param name="splitLetters">Every letter stands alone, for languages without spaces.</param>
/// <remarks><b>Threads:</b> immutable, any thread.</remarks>
public sealed class BasicTextNormalizer(bool removeDiacritics = false, bool splitLetters = false) : ITextNormalizer
{
    /// <inheritdoc/>
    public string Normalize(string text)
    {
        string plain = WhisperText.RemoveBracketed(PythonText.Lower(text));
        plain = removeDiacritics ? WhisperText.RemoveSymbolsAndDiacritics(plain) : WhisperText.RemoveSymbols(plain);
        plain = PythonText.Lower(plain);
        return WhisperText.CollapseSpaces(splitLetters ? string.Join(' ', Letters(plain)) : plain);
    }

    private static IEnumerable<string> Letters(string text)
    {
        for (int at = 0; at < text.Length;)
        {
            int length = StringInfo.GetNextTextElementLength(text, at);
            yield return text.Substring(at, length);
            at += length;
        }
    }
}
