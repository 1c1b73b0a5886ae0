using System.Text.RegularExpressions;

namespace LlasaNative.Text;

/// <summary>
/// Any other split pattern, through .NET's engine. Its classes see UTF-16 units, so letters outside the basic plane count
/// as symbols here.
/// </summary>
internal sealed class RegexScanner(Regex pattern) : PieceScanner
{
    public override void Split(ReadOnlySpan<char> text, int offset, List<int> ends)
    {
        int last = 0;
        foreach (ValueMatch match in pattern.EnumerateMatches(text))
        {
            if (match.Index > last)
            {
                ends.Add(offset + match.Index);
            }

            if (match.Length > 0)
            {
                ends.Add(offset + match.Index + match.Length);
            }

            last = match.Index + match.Length;
        }

        if (last < text.Length)
        {
            ends.Add(offset + text.Length);
        }
    }
}
