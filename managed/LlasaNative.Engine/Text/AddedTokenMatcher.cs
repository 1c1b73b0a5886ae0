using System.Buffers;

namespace LlasaNative.Text;

/// <summary>Finds added tokens in text: leftmost first, the longest of those that start together.</summary>
/// <remarks>Immutable; any thread.</remarks>
internal sealed class AddedTokenMatcher
{
    // Trie with one dictionary for all nodes: (node, character) -> node. 65,536 speech tokens make about 200,000 nodes.
    private readonly Dictionary<ulong, int> _edges = [];
    private readonly List<AddedToken?> _terminal = [null];
    private readonly SearchValues<char> _first;

    public AddedTokenMatcher(IEnumerable<AddedToken> tokens, Func<string, string> normalize)
    {
        HashSet<char> first = [];
        foreach (AddedToken token in tokens)
        {
            string content = normalize(token.Content);
            if (content.Length == 0)
            {
                continue;
            }

            first.Add(content[0]);
            int node = 0;
            foreach (char c in content)
            {
                ulong key = Edge(node, c);
                if (!_edges.TryGetValue(key, out int next))
                {
                    next = _terminal.Count;
                    _terminal.Add(null);
                    _edges.Add(key, next);
                }

                node = next;
            }

            _terminal[node] = token;
        }

        _first = SearchValues.Create([.. first]);
        IsEmpty = first.Count == 0;
    }

    public bool IsEmpty { get; }

    /// <summary>Finds the next token that applies.</summary>
    /// <param name="text">The whole text.</param>
    /// <param name="searchFrom">Where to look from; moves past what was looked at.</param>
    /// <param name="consumed">End of what earlier matches took, including white space.</param>
    /// <param name="start">Start of the match, white space it takes along included.</param>
    /// <param name="end">End of the match, white space it takes along included.</param>
    /// <returns>Null when no more token applies.</returns>
    public AddedToken? Next(ReadOnlySpan<char> text, ref int searchFrom, int consumed, out int start, out int end)
    {
        while (searchFrom < text.Length)
        {
            int skip = text[searchFrom..].IndexOfAny(_first);
            if (skip < 0)
            {
                break;
            }

            start = searchFrom + skip;
            AddedToken? token = LongestAt(text, start, out end);
            if (token is null)
            {
                searchFrom = start + 1;
                continue;
            }

            searchFrom = end;
            if (token.SingleWord && (EndsWithWord(text[..start]) || StartsWithWord(text[end..])))
            {
                continue;
            }

            if (token.StripLeft)
            {
                start = Math.Max(text[..start].TrimEnd().Length, consumed);
            }

            if (token.StripRight)
            {
                end = text.Length - text[end..].TrimStart().Length;
            }

            return token;
        }

        searchFrom = start = end = text.Length;
        return null;
    }

    private static ulong Edge(int node, char c) => ((ulong)(uint)node << 16) | c;

    private static bool EndsWithWord(ReadOnlySpan<char> text)
    {
        Rune.DecodeLastFromUtf16(text, out Rune rune, out _);
        return !text.IsEmpty && IsWord(rune);
    }

    private static bool StartsWithWord(ReadOnlySpan<char> text)
    {
        Rune.DecodeFromUtf16(text, out Rune rune, out _);
        return !text.IsEmpty && IsWord(rune);
    }

    /// <summary>What \w means to the reference: alphabetic, marks, decimal digits, connectors, joiners.</summary>
    private static bool IsWord(Rune rune) => rune.Value is 0x200C or 0x200D || Rune.GetUnicodeCategory(rune) is
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
        or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter or UnicodeCategory.LetterNumber
        or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.ConnectorPunctuation
        or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark;

    private AddedToken? LongestAt(ReadOnlySpan<char> text, int start, out int end)
    {
        AddedToken? found = null;
        end = start;
        int node = 0;
        for (int i = start; i < text.Length && _edges.TryGetValue(Edge(node, text[i]), out node); i++)
        {
            if (_terminal[node] is { } token)
            {
                found = token;
                end = i + 1;
            }
        }

        return found;
    }
}
