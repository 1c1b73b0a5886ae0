using System.Buffers;

namespace LlasaNative.Text;

/// <summary>Which ids of a Whisper model are text, and what text they are.</summary>
/// <remarks>
/// Text is what is left without the special tokens: those the tokenizer flags as special, those the model's files name, those
/// written <c>&lt;|like this|&gt;</c>, which timestamps are although no tokenizer flags them, and ids without a token: old
/// tokenizers end before the timestamps. Tokens that somebody added for words stay. <b>Threads:</b> immutable.
/// </remarks>
public sealed class WhisperVocabulary
{
    private readonly ByteLevelBpe _tokenizer;
    private readonly bool[] _isText;
    private readonly Lazy<int[]> _characters;

    /// <summary>Sorts the ids of a model.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="tokens">Its special tokens.</param>
    /// <param name="size">Number of ids of the model.</param>
    public WhisperVocabulary(ByteLevelBpe tokenizer, WhisperTokens tokens, int size)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(tokens);
        _tokenizer = tokenizer;
        Tokens = tokens;
        HashSet<int> named = [tokens.EndOfText, .. tokens.OtherEnds, tokens.StartOfTranscript, .. tokens.Languages.Values];
        named.UnionWith(new[] { tokens.Transcribe, tokens.Translate, tokens.NoTimestamps, tokens.NoSpeech }.OfType<int>());
        _isText = [.. Enumerable.Range(0, size).Select(id => !tokenizer.IsSpecial(id) && !named.Contains(id) && !IsMarkup(tokenizer.GetBytes(id)))];
        // The space alone is in every byte-level vocabulary; words with their space are in those that were learnt from text.
        _characters = new(() => [.. Enumerable.Range(0, size).Select(id => _isText[id] ? CountCharacters(tokenizer.GetBytes(id)) : 0)]);
        HasSpacedWords = Enumerable.Range(0, size).Any(id => _isText[id] && tokenizer.GetBytes(id) is [(byte)' ', not (byte)' ', ..]);
    }

    /// <summary>The special tokens.</summary>
    public WhisperTokens Tokens { get; }

    /// <summary>Whether there are tokens of a space and more.</summary>
    public bool HasSpacedWords { get; }

    /// <summary>Whether texts are measured with a space before them.</summary>
    /// <param name="options">How the recogniser listens.</param>
    public bool BeginsWithSpace(ScoringOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return options.LeadingSpace switch
        {
            LeadingSpace.Auto => options.Prompt == ScorePromptStyle.Full && HasSpacedWords,
            LeadingSpace.True => true,
            LeadingSpace.False => false,
            _ => throw new InvalidOperationException($"LeadingSpace {options.LeadingSpace}: no such way to begin a text."),
        };
    }

    /// <summary>
    /// [size] letters and digits that each id adds to a text, which are what every normaliser keeps. A character of several ids
    /// counts with its first byte. An id with a bracket, within which normalisers leave everything out, takes more than any text has.
    /// </summary>
    public ReadOnlySpan<int> Characters => _characters.Value;

    /// <summary>The ids of a text, in which nothing is taken for a token that steers the model; words added to the vocabulary are.</summary>
    /// <param name="text">Any text.</param>
    /// <exception cref="UsageException">It holds an added word that the model has no row for.</exception>
    public int[] Encode(string text)
    {
        int[] ids = _tokenizer.Encode(text, matchControlTokens: false);
        _tokenizer.RequireWithin(ids, _isText.Length, "the recogniser");
        return ids;
    }

    /// <summary>The text of a transcript's ids.</summary>
    /// <param name="ids">Ids of the model; those that are no text contribute nothing.</param>
    public string Words(ReadOnlySpan<int> ids)
    {
        List<int> words = new(ids.Length);
        foreach (var id in ids)
        {
            if (_isText[id])
            {
                words.Add(id);
            }
        }

        return _tokenizer.Decode(words.ToArray());
    }

    private static int CountCharacters(ReadOnlySpan<byte> token)
    {
        if (token.IndexOfAny("[(<"u8) >= 0)
        {
            return -1_000_000;
        }

        var count = 0;
        while (!token.IsEmpty)
        {
            var status = Rune.DecodeFromUtf8(token, out var rune, out var length);
            count += status == OperationStatus.NeedMoreData || (status == OperationStatus.Done && (Rune.IsLetter(rune) || Rune.IsNumber(rune))) ? 1 : 0;
            token = token[length..];
        }

        return count;
    }

    private static bool IsMarkup(ReadOnlySpan<byte> token) => token.IsEmpty || (token.Length > 4 && token.StartsWith("<|"u8) && token.EndsWith("|>"u8));
}
