namespace LlasaNative.Text;

/// <summary>
/// Collects the tokens and merges of a byte-level BPE, whichever files they come from. What does not fit together is not taken:
/// the answer is the reason then, to which the reader adds file and field.
/// </summary>
internal sealed class TokenizerBuilder
{
    private readonly Dictionary<int, string> _literal = [];
    private readonly Dictionary<string, int> _literalIds = new(StringComparer.Ordinal);
    private readonly List<AddedToken> _added = [];
    private readonly HashSet<int> _addedIds = [];
    private byte[] _buffer = new byte[1024];
    private byte[] _both = new byte[256];
    private BpeMerger? _merger;
    private int _rank;

    // The number of the vocabulary's entries, or one more than the highest added id once that is more.
    private int _nextId;

    /// <summary>All tokens so far.</summary>
    public TokenTable Tokens { get; } = new();

    /// <summary>The id that the tokenizers library gives to a token found as a whole, whatever its file says: one that it has, or the next.</summary>
    /// <param name="content">Its text.</param>
    public int NextId(string content) => _literalIds.TryGetValue(content, out int id) || (id = Find(Encoding.UTF8.GetBytes(content))) >= 0 ? id : _nextId;

    /// <summary>The added tokens so far, in the order they came.</summary>
    public IReadOnlyList<AddedToken> Added => _added;

    /// <summary>Adds an entry of the vocabulary.</summary>
    /// <param name="text">UTF-8 of the entry, in the byte alphabet.</param>
    /// <param name="id">Its id.</param>
    public string? AddEntry(ReadOnlySpan<byte> text, int id)
    {
        if (Tokens.Contains(id))
        {
            return $"id {id} is used twice";
        }

        Span<byte> bytes = Buffer(text.Length);
        if (!ByteAlphabet.TryToBytes(text, bytes, out int count))
        {
            // Never the result of encoding; decodes to its own text, as in the reference.
            Tokens.Add(id, text, findable: false);
            _literal[id] = Encoding.UTF8.GetString(text);
            _literalIds.TryAdd(_literal[id], id);
            _nextId++;
            return null;
        }

        if (count > 0 && Tokens.Find(bytes[..count]) >= 0)
        {
            return "appears twice";
        }

        Tokens.Add(id, bytes[..count], findable: true);
        _nextId++;
        return null;
    }

    /// <summary>Ends the vocabulary; merges follow.</summary>
    /// <param name="expected">About how many.</param>
    /// <returns>Whether every byte has a token; others are left out of what is encoded, as in the reference.</returns>
    public bool BeginMerges(int expected)
    {
        _merger = new BpeMerger(Tokens, expected);
        return !_merger.LacksBytes;
    }

    /// <summary>Adds a merge, which comes after those before.</summary>
    /// <param name="left">UTF-8 of the left token, in the byte alphabet.</param>
    /// <param name="right">UTF-8 of the right one.</param>
    public string? AddMerge(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        int a = Find(left);
        int b = a < 0 ? -1 : Find(right);
        if (b < 0)
        {
            return $"`{Encoding.UTF8.GetString(a < 0 ? left : right)}` is not in the vocabulary";
        }

        ReadOnlySpan<byte> first = Tokens.Bytes(a);
        ReadOnlySpan<byte> second = Tokens.Bytes(b);
        if (_both.Length < first.Length + second.Length)
        {
            _both = new byte[2 * (first.Length + second.Length)];
        }

        first.CopyTo(_both);
        second.CopyTo(_both.AsSpan(first.Length));
        int merged = Tokens.Find(_both.AsSpan(0, first.Length + second.Length));
        if (merged < 0)
        {
            return $"`{Encoding.UTF8.GetString(left)}{Encoding.UTF8.GetString(right)}`, the result, is not in the vocabulary";
        }

        _merger!.Add(a, b, _rank++, merged);
        return null;
    }

    /// <summary>Adds a token that is found in a text as a whole.</summary>
    /// <param name="token">The token; a special one may stand in the vocabulary already, under the same id.</param>
    public string? Add(AddedToken token)
    {
        if (token.Content.Length == 0)
        {
            return "has no content";
        }

        if (!_addedIds.Add(token.Id))
        {
            return $"id {token.Id} is used twice";
        }

        _added.Add(token);
        byte[] utf8 = Encoding.UTF8.GetBytes(token.Content);
        Span<byte> bytes = Buffer(utf8.Length);
        ReadOnlySpan<byte> decoded = ByteAlphabet.TryToBytes(utf8, bytes, out int count) ? bytes[..count] : utf8;
        if (Tokens.Contains(token.Id) && !Tokens.Bytes(token.Id).SequenceEqual(decoded))
        {
            return $"id {token.Id} is another token in the vocabulary";
        }

        if (!Tokens.Contains(token.Id))
        {
            Tokens.Add(token.Id, decoded, findable: false);
        }

        _literal[token.Id] = token.Content;
        _literalIds.TryAdd(token.Content, token.Id);
        _nextId = Math.Max(_nextId, token.Id + 1);
        return null;
    }

    /// <summary>The id of a vocabulary entry; -1 for none.</summary>
    /// <param name="text">UTF-8 of the entry, in the byte alphabet.</param>
    public int Find(ReadOnlySpan<byte> text)
    {
        Span<byte> bytes = Buffer(text.Length);
        return ByteAlphabet.TryToBytes(text, bytes, out int count) ? Tokens.Find(bytes[..count]) : -1;
    }

    /// <summary>What the encoder needs.</summary>
    public TokenizerParts Build(
        string path, bool ignoreMerges, IReadOnlyList<PreTokenizerStep> steps, UnicodeForm? form, IReadOnlyList<int> prefix, IReadOnlyList<int> suffix) =>
        new(path, Tokens, _merger!, ignoreMerges, _literal, _added, steps, form, prefix, suffix);

    private Span<byte> Buffer(int length)
    {
        if (_buffer.Length < length)
        {
            _buffer = new byte[2 * length];
        }

        return _buffer;
    }
}
