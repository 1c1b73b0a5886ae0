using System.Buffers;

namespace LlasaNative.Text;

/// <summary>
/// Byte-level BPE tokenizer, from a Hugging Face directory (Llama 3, GPT-2, Whisper) or a tiktoken rank file; encodes and decodes
/// exactly as the tokenizers library does.
/// </summary>
/// <remarks>
/// <para><b>Threads:</b> any number may encode and decode at once.</para>
/// </remarks>
/// <example>
/// <code>
/// ByteLevelBpe tokenizer = ByteLevelBpe.FromDirectory("assets/tiny/policy");
/// int[] ids = tokenizer.Encode("a big dog");
/// string text = tokenizer.Decode(ids);
/// </code>
/// </example>
public sealed class ByteLevelBpe
{
    private const int MaxCachedLength = 64;
    private const int CacheSlots = 1 << 16;
    private readonly TokenizerParts _parts;
    private readonly Matchers _all;
    private readonly Matchers _words;
    private readonly Dictionary<string, int> _addedIds = new(StringComparer.Ordinal);
    private readonly HashSet<int> _specialIds;

    // One piece per slot, the last one met: bounded, and a reference is read and written in one go.
    private readonly CachedPiece?[] _cache = new CachedPiece?[CacheSlots];

    private ByteLevelBpe(TokenizerParts parts)
    {
        _parts = parts;
        _all = MatchersOf(parts.AddedTokens);
        _words = MatchersOf(parts.AddedTokens.Where(t => !t.IsControl));
        _specialIds = [.. parts.AddedTokens.Where(t => t.Special).Select(t => t.Id)];
        foreach (AddedToken token in parts.AddedTokens)
        {
            _addedIds.TryAdd(token.Content, token.Id);
        }
    }

    /// <summary>Name of the file it was read from; that of the vocabulary where there are several.</summary>
    public string Path => _parts.Path;

    /// <summary>One more than the largest token id; ids in between may be unused.</summary>
    public int VocabularySize => _parts.Tokens.Count;

    /// <summary>All added tokens, in the order of the file.</summary>
    public IReadOnlyList<AddedToken> AddedTokens => _parts.AddedTokens;

    /// <summary>Whether a directory holds a tokenizer that <see cref="FromDirectory"/> reads.</summary>
    /// <param name="directory">Directory of a model.</param>
    public static bool IsIn(string directory) => File.Exists(JsonIn(directory)) || VocabularyFiles.AreIn(directory);

    /// <summary>
    /// Reads the tokenizer of a model: its <c>tokenizer.json</c> with the added tokens that the files beside it name as well, or
    /// where there is none its <c>vocab.json</c> and <c>merges.txt</c>.
    /// </summary>
    /// <remarks>
    /// The older files do not say how text is split. Transformers' classes for Whisper and GPT-2 have their pattern; any other
    /// is taken for Llama 3's, for which a piece that is a token of the vocabulary is never put together from merges.
    /// </remarks>
    /// <param name="directory">Directory of the model.</param>
    /// <exception cref="ModelFileException">The directory has neither, or a file is malformed; the message names file and field.</exception>
    public static ByteLevelBpe FromDirectory(string directory)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        string json = JsonIn(directory);
        return File.Exists(json) ? new(TokenizerJsonReader.Read(FileErrors.ReadAllBytes(json), json, VocabularyFiles.Beside(directory), VocabularyFiles.PrefixSpace(directory)))
            : VocabularyFiles.AreIn(directory) ? new(VocabularyFiles.Read(directory))
            : throw new ModelFileException(json, null, WrongPlaces.NoTokenizer(directory));
    }

    /// <summary>Reads a <c>tokenizer.json</c>.</summary>
    /// <param name="path">Path of the file.</param>
    /// <exception cref="ModelFileException">The file is missing, malformed or of a kind not supported; the message names the field.</exception>
    public static ByteLevelBpe FromFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return FromJson(FileErrors.ReadAllBytes(path), path);
    }

    /// <summary>Reads a tokenizer from memory.</summary>
    /// <param name="json">Content of a <c>tokenizer.json</c>.</param>
    /// <param name="path">Name for error messages.</param>
    /// <exception cref="ModelFileException">As <see cref="FromFile"/>.</exception>
    public static ByteLevelBpe FromJson(ReadOnlyMemory<byte> json, string path) => new(TokenizerJsonReader.Read(json, path));

    /// <summary>Reads ranks of OpenAI's tiktoken, such as those of Whisper's <c>multilingual.tiktoken</c>; there are no special tokens among them.</summary>
    /// <param name="ranks">Content of a rank file.</param>
    /// <param name="path">Name for error messages.</param>
    /// <exception cref="ModelFileException">The content is malformed; the message names the line.</exception>
    public static ByteLevelBpe FromTiktoken(ReadOnlySpan<byte> ranks, string path) => new(TiktokenReader.Read(ranks, path));

    /// <summary>Encodes a text.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="addSpecialTokens">Puts the template's tokens around it, such as begin-of-text.</param>
    /// <param name="matchControlTokens">
    /// Whether the text of a token that steers the model (<see cref="AddedToken.IsControl"/>) becomes that token; false for text
    /// from outside. Words that somebody added to the vocabulary always do.
    /// </param>
    /// <returns>Token ids.</returns>
    public int[] Encode(ReadOnlySpan<char> text, bool addSpecialTokens = false, bool matchControlTokens = true)
    {
        List<int> ids = [];
        Encode(text, ids, addSpecialTokens, matchControlTokens);
        return [.. ids];
    }

    /// <summary>Encodes a text and appends the ids to a list.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="destination">Receives the ids after what it holds.</param>
    /// <param name="addSpecialTokens">Puts the template's tokens around the text.</param>
    /// <param name="matchControlTokens">Whether the text of a token that steers the model becomes that token; false for text from outside.</param>
    public void Encode(ReadOnlySpan<char> text, List<int> destination, bool addSpecialTokens = false, bool matchControlTokens = true)
    {
        ArgumentNullException.ThrowIfNull(destination);
        if (addSpecialTokens)
        {
            destination.AddRange(_parts.Prefix);
        }

        Matchers matchers = matchControlTokens ? _all : _words;
        EncodeMatching(matchers.Raw, matchers, text, destination, new Scratch());

        if (addSpecialTokens)
        {
            destination.AddRange(_parts.Suffix);
        }
    }

    /// <summary>Decodes token ids to text; bytes that are not UTF-8 become U+FFFD, one for each maximal part.</summary>
    /// <param name="ids">Token ids; ids that name no token contribute nothing.</param>
    /// <param name="skipSpecialTokens">Leaves out added tokens that are special.</param>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = false)
    {
        ArrayBufferWriter<byte> bytes = new(4 * ids.Length + 1);
        foreach (int id in ids)
        {
            if (!skipSpecialTokens || !_specialIds.Contains(id))
            {
                bytes.Write(_parts.Tokens.Bytes(id));
            }
        }

        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }

    /// <summary>The bytes of one token; empty for an id that names none.</summary>
    /// <param name="id">Token id.</param>
    public ReadOnlySpan<byte> GetBytes(int id) => _parts.Tokens.Bytes(id);

    /// <summary>Finds a token by its text as the vocabulary writes it; added tokens come first.</summary>
    /// <param name="token">Content of an added token, or a vocabulary entry in the byte alphabet (a space is <c>Ġ</c>).</param>
    /// <param name="id">The id when the result is true.</param>
    public bool TryGetId(string token, out int id)
    {
        ArgumentNullException.ThrowIfNull(token);
        if (_addedIds.TryGetValue(token, out id))
        {
            return true;
        }

        byte[] utf8 = Encoding.UTF8.GetBytes(token);
        byte[] bytes = new byte[utf8.Length];
        id = ByteAlphabet.TryToBytes(utf8, bytes, out int count) ? _parts.Tokens.Find(bytes.AsSpan(0, count)) : -1;
        return id >= 0;
    }

    /// <summary>The text of a token as the vocabulary writes it; null for an id that names none.</summary>
    /// <param name="id">Token id.</param>
    public string? GetToken(int id) =>
        _parts.LiteralTokens.TryGetValue(id, out string? literal) ? literal
        : _parts.Tokens.Contains(id) ? ByteAlphabet.ToText(_parts.Tokens.Bytes(id)) : null;

    /// <summary>Refuses a text with a token that a model has no row for, as where words were added to a tokenizer and the model was not resized.</summary>
    /// <param name="ids">The text's ids.</param>
    /// <param name="size">Number of ids of the model.</param>
    /// <param name="model">What the model is, for the message.</param>
    /// <exception cref="UsageException">It holds one; the message names it.</exception>
    public void RequireWithin(ReadOnlySpan<int> ids, int size, string model)
    {
        foreach (int id in ids)
        {
            if (id >= size)
            {
                throw new UsageException(string.Create(
                    CultureInfo.InvariantCulture, $"the text holds `{GetToken(id)}`, token {id} of the tokenizer; {model} has {size} (vocab_size): it was not resized for the words added to it"));
            }
        }
    }

    /// <summary>Whether an id names an added token that decoding may leave out.</summary>
    /// <param name="id">Token id.</param>
    public bool IsSpecial(int id) => _specialIds.Contains(id);

    private static string JsonIn(string directory) => System.IO.Path.Combine(directory, "tokenizer.json");

    private Matchers MatchersOf(IEnumerable<AddedToken> tokens) => new(
        new AddedTokenMatcher(tokens.Where(t => !t.Normalized), text => text), new AddedTokenMatcher(tokens.Where(t => t.Normalized), Normalize));

    private string Normalize(string text) =>
        _parts.Normalization is { } form ? UnicodeNormalizer.Normalize(text, form) : text;

    /// <summary>Cuts out the tokens of one matcher and passes the text between them on.</summary>
    private void EncodeMatching(AddedTokenMatcher matcher, Matchers matchers, ReadOnlySpan<char> text, List<int> destination, Scratch scratch)
    {
        int consumed = 0;
        int searchFrom = 0;
        while (!matcher.IsEmpty && matcher.Next(text, ref searchFrom, consumed, out int start, out int end) is { } token)
        {
            // Where white space that an earlier one took along holds further tokens, the reference gives those too.
            Pass(start > consumed ? text[consumed..start] : []);
            if (end > start)
            {
                destination.Add(token.Id);
            }

            consumed = end;
        }

        Pass(text[consumed..]);

        void Pass(ReadOnlySpan<char> part)
        {
            if (part.IsEmpty)
            {
                return;
            }

            if (ReferenceEquals(matcher, matchers.Raw))
            {
                EncodeNormalized(part, matchers, destination, scratch);
            }
            else
            {
                EncodePlain(part, 0, destination, scratch);
            }
        }
    }

    private void EncodeNormalized(ReadOnlySpan<char> text, Matchers matchers, List<int> destination, Scratch scratch)
    {
        if (_parts.Normalization is not null)
        {
            text = Normalize(text.ToString());
        }

        if (!matchers.Normalized.IsEmpty)
        {
            EncodeMatching(matchers.Normalized, matchers, text, destination, scratch);
        }
        else if (!text.IsEmpty)
        {
            EncodePlain(text, 0, destination, scratch);
        }
    }

    /// <summary>Runs the pre-tokenizers from a given one on; a piece that is left after the last is encoded.</summary>
    private void EncodePlain(ReadOnlySpan<char> text, int stepIndex, List<int> destination, Scratch scratch)
    {
        if (stepIndex == _parts.Steps.Count)
        {
            EncodePiece(text, destination);
            return;
        }

        PreTokenizerStep step = _parts.Steps[stepIndex];
        if (step.AddPrefixSpace && text[0] != ' ')
        {
            text = string.Concat(" ", text);
        }

        if (step.Scanner is null)
        {
            EncodePlain(text, stepIndex + 1, destination, scratch);
            return;
        }

        List<int> ends = scratch.Ends(stepIndex);
        ends.Clear();
        step.Scanner.Split(text, 0, ends);
        int start = 0;
        foreach (int end in ends)
        {
            EncodePlain(text[start..end], stepIndex + 1, destination, scratch);
            start = end;
        }
    }

    private void EncodePiece(ReadOnlySpan<char> piece, List<int> destination)
    {
        if (piece.Length > MaxCachedLength)
        {
            EncodeUncached(piece, destination);
            return;
        }

        ref CachedPiece? slot = ref _cache[string.GetHashCode(piece) & (CacheSlots - 1)];
        CachedPiece? cached = Volatile.Read(ref slot);
        if (cached is not null && piece.SequenceEqual(cached.Text))
        {
            destination.AddRange(cached.Ids.AsSpan());
            return;
        }

        int before = destination.Count;
        EncodeUncached(piece, destination);
        Volatile.Write(ref slot, new CachedPiece(piece.ToString(), CollectionsMarshal.AsSpan(destination)[before..].ToArray()));
    }

    private void EncodeUncached(ReadOnlySpan<char> piece, List<int> destination)
    {
        byte[]? rented = null;
        int capacity = Encoding.UTF8.GetMaxByteCount(piece.Length);
        Span<byte> buffer = capacity <= 512 ? stackalloc byte[512] : (rented = ArrayPool<byte>.Shared.Rent(capacity));
        ReadOnlySpan<byte> bytes = buffer[..Encoding.UTF8.GetBytes(piece, buffer)];
        int whole = _parts.IgnoreMerges ? _parts.Tokens.Find(bytes) : -1;
        if (whole >= 0)
        {
            destination.Add(whole);
        }
        else
        {
            _parts.Merger.Encode(bytes, destination);
        }

        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <summary>What finds added tokens in a text as it came, and in what normalisation made of the text between those.</summary>
    private sealed record Matchers(AddedTokenMatcher Raw, AddedTokenMatcher Normalized);

    private sealed record CachedPiece(string Text, int[] Ids);

    /// <summary>Lists that one call reuses, one for each pre-tokenizer.</summary>
    private sealed class Scratch
    {
        private readonly List<List<int>> _ends = [];

        public List<int> Ends(int step)
        {
            while (_ends.Count <= step)
            {
                _ends.Add([]);
            }

            return _ends[step];
        }
    }
}
