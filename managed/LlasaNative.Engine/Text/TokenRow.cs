namespace LlasaNative.Text;

/// <summary>What a row of token ids says that LLaSA_training wrote.</summary>
/// <remarks><b>Threads:</b> any.</remarks>
public static class TokenRow
{
    /// <summary>Reads a row: text between its two tokens, codes between theirs, then one token again and again.</summary>
    /// <param name="prompt">Of the policy whose tokens they are.</param>
    /// <param name="ids">The row.</param>
    /// <returns>Text, trimmed, and codes.</returns>
    /// <exception cref="UsageException">It is no such row, is cut off, or is of another tokenizer; the message says where.</exception>
    public static Utterance Read(LlasaPrompt prompt, ReadOnlySpan<int> ids)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        var tokenizer = prompt.Tokenizer;
        var (textStart, textEnd, speech) = (SpeechTokens.Require(tokenizer, LlasaPrompt.TextStart), SpeechTokens.Require(tokenizer, LlasaPrompt.TextEnd), prompt.Speech);
        for (var i = 0; i < ids.Length; i++)
        {
            if ((uint)ids[i] >= (uint)tokenizer.VocabularySize)
            {
                throw Fault(i, string.Create(CultureInfo.InvariantCulture, $"{ids[i]} is no token of this policy, which has {tokenizer.VocabularySize}"));
            }
        }

        Require(ids, 0, textStart, LlasaPrompt.TextStart);
        var end = ids.IndexOf(textEnd);
        UsageException.ThrowIf(end < 0, $"has no {LlasaPrompt.TextEnd}");
        Require(ids, end + 1, speech.Start, SpeechTokens.StartToken);
        List<int> codes = [];
        var at = end + 2;
        for (; at < ids.Length && ids[at] != speech.End; at++)
        {
            codes.Add(speech.IsSpeech(ids[at]) ? speech.ToCode(ids[at]) : throw Fault(at, $"{Name(ids[at])} is no speech token"));
        }

        UsageException.ThrowIf(at == ids.Length, $"was cut off: {ids.Length} tokens without {SpeechTokens.EndToken}");
        for (var i = at + 2; i < ids.Length; i++)
        {
            if (ids[i] != ids[at + 1])
            {
                throw Fault(i, $"{Name(ids[i])} follows the speech, expected {Name(ids[at + 1])} up to the end of the row");
            }
        }

        var textIds = ids[1..end];
        var text = tokenizer.Decode(textIds);
        UsageException.ThrowIf(string.IsNullOrWhiteSpace(text) || codes.Count == 0, codes.Count == 0 ? "has no codes" : "the text is empty");
        // Ids of another tokenizer may be ids of this one too, and say something else.
        return tokenizer.Encode(text, matchControlTokens: false).AsSpan().SequenceEqual(textIds) ? new Utterance(text.Trim(), codes)
            : throw new UsageException($"the text `{text}` would have other tokens by this policy's tokenizer: the row is of another one");

        string Name(int id) => $"{tokenizer.GetToken(id) ?? id.ToString(CultureInfo.InvariantCulture)}";

        void Require(ReadOnlySpan<int> row, int place, int id, string name)
        {
            if (place >= row.Length || row[place] != id)
            {
                throw Fault(place, $"expected {name}{(place < row.Length ? $", found {Name(row[place])}" : "")}");
            }
        }
    }

    private static UsageException Fault(int place, string message) => new(string.Create(CultureInfo.InvariantCulture, $"token {place + 1}: {message}"));
}
