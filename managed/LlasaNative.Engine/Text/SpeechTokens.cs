namespace LlasaNative.Text;

/// <summary>The speech tokens of a Llasa tokenizer: <c>&lt;|s_n|&gt;</c> has id <see cref="Offset"/> + n and stands for code n.</summary>
/// <param name="Offset">Id of code 0.</param>
/// <param name="Count">Number of codes; ids run from <paramref name="Offset"/> to <paramref name="Offset"/> + <paramref name="Count"/> − 1.</param>
/// <param name="Start">Id of <c>&lt;|SPEECH_GENERATION_START|&gt;</c>.</param>
/// <param name="End">Id of <c>&lt;|SPEECH_GENERATION_END|&gt;</c>.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record SpeechTokens(int Offset, int Count, int Start, int End)
{
    /// <summary>Content of the token that opens speech.</summary>
    public const string StartToken = "<|SPEECH_GENERATION_START|>";

    /// <summary>Content of the token that ends speech.</summary>
    public const string EndToken = "<|SPEECH_GENERATION_END|>";

    /// <summary>Finds the speech tokens of a tokenizer.</summary>
    /// <param name="tokenizer">A Llasa tokenizer.</param>
    /// <exception cref="ModelFileException">A token is missing, or the codes are not numbered without gaps; the message names the token.</exception>
    public static SpeechTokens Find(ByteLevelBpe tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        int start = Require(tokenizer, StartToken);
        int end = Require(tokenizer, EndToken);
        int offset = Require(tokenizer, Name(0));
        int count = 1;
        while (tokenizer.TryGetId(Name(count), out int id))
        {
            if (id != offset + count)
            {
                throw new ModelFileException(tokenizer.Path, Name(count), string.Create(
                    CultureInfo.InvariantCulture, $"has id {id}, expected {offset + count}: speech tokens must be contiguous"));
            }

            count++;
        }

        for (int id = 0; id < tokenizer.VocabularySize; id++)
        {
            if (CodeOf(tokenizer.GetBytes(id)) is { } code && code >= count)
            {
                throw new ModelFileException(tokenizer.Path, Name(count), string.Create(
                    CultureInfo.InvariantCulture, $"missing, expected with id {offset + count}, but {Name(code)} is there with id {id}: speech tokens must be contiguous"));
            }
        }

        return new SpeechTokens(offset, count, start, end);
    }

    /// <summary>Content of the token of a code.</summary>
    /// <param name="code">Code, at least 0.</param>
    public static string Name(int code) => string.Create(CultureInfo.InvariantCulture, $"<|s_{code}|>");

    /// <summary>Whether a token stands for a code.</summary>
    /// <param name="token">Token id.</param>
    public bool IsSpeech(int token) => (uint)(token - Offset) < (uint)Count;

    /// <summary>The code of a token.</summary>
    /// <param name="token">Token id; <see cref="IsSpeech"/> must hold.</param>
    /// <exception cref="UsageException">The token stands for no code.</exception>
    public int ToCode(int token) => IsSpeech(token)
        ? token - Offset
        : throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"token id {token} is not a speech token ({Offset}..{Offset + Count - 1})"));

    /// <summary>The token of a code.</summary>
    /// <param name="code">Code from 0 to <see cref="Count"/> − 1.</param>
    /// <exception cref="UsageException">The code is out of range.</exception>
    public int ToToken(int code) => (uint)code < (uint)Count
        ? Offset + code
        : throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"speech code {code} is out of range 0..{Count - 1}"));

    /// <summary>The codes among generated tokens, up to the end token; any other token is left out.</summary>
    /// <param name="tokens">Token ids.</param>
    public int[] ExtractCodes(ReadOnlySpan<int> tokens)
    {
        List<int> codes = new(tokens.Length);
        foreach (int token in tokens)
        {
            if (token == End)
            {
                break;
            }

            if (IsSpeech(token))
            {
                codes.Add(token - Offset);
            }
        }

        return [.. codes];
    }

    /// <summary>The code of a token's text; null for one that is no speech token.</summary>
    private static int? CodeOf(ReadOnlySpan<byte> token) =>
        token.StartsWith("<|s_"u8) && token.EndsWith("|>"u8) && int.TryParse(token[4..^2], NumberStyles.None, CultureInfo.InvariantCulture, out int code) ? code : null;

    internal static int Require(ByteLevelBpe tokenizer, string token) => tokenizer.TryGetId(token, out int id)
        ? id
        : throw new ModelFileException(tokenizer.Path, token, "missing: not the tokenizer of a Llasa model");
}
