using System.Text.RegularExpressions;

namespace LlasaNative.Text;

/// <summary>Patterns as the tokenizers library reads them, by Oniguruma with Ruby's syntax, in .NET's words.</summary>
/// <remarks>
/// What .NET does not know it refuses by itself. Here is what it would read as something else: said in its way, or refused.
/// <b>Threads:</b> any.
/// </remarks>
internal static partial class OnigurumaPattern
{
    // What Oniguruma counts to words and .NET does not: vowel signs of Indian scripts, enclosing marks, Roman numerals.
    private const string MoreOfWords = @"\p{Mc}\p{Me}\p{Nl}";

    /// <summary>The pattern for .NET.</summary>
    /// <param name="pattern">The pattern of a tokenizer.</param>
    /// <exception cref="ArgumentException">It holds something that .NET cannot say; the message names it.</exception>
    public static Regex ToRegex(string pattern)
    {
        StringBuilder result = new(pattern.Length);
        int classStart = -1;
        for (int at = 0; at < pattern.Length; at++)
        {
            char c = pattern[at];
            bool inClass = classStart >= 0;
            if (c == '\\' && at + 1 < pattern.Length)
            {
                char escaped = pattern[++at];
                result.Append((escaped, inClass) switch
                {
                    ('w', false) => $@"[\w{MoreOfWords}]",
                    ('w', true) => $@"\w{MoreOfWords}",
                    ('W', false) => $@"[^\w{MoreOfWords}]",
                    ('W', true) => throw new ArgumentException(@"`\W` between brackets"),
                    _ => $"\\{escaped}",
                });
                continue;
            }

            if (inClass && c == '[')
            {
                throw new ArgumentException($"`{Excerpt(pattern, at)}`: a bracket within brackets");
            }

            if (inClass && c == '&' && pattern.AsSpan(at).StartsWith("&&"))
            {
                throw new ArgumentException($"`{Excerpt(pattern, classStart)}`: an intersection (&&)");
            }

            if (!inClass && c == '(' && Flags().Match(pattern, at) is { Success: true } flags && flags.Value.AsSpan(2).ContainsAnyExcept("i-"))
            {
                throw new ArgumentException($"`{flags.Value}`: another flag than i");
            }

            if (!inClass && c == '{' && NoMinimum().IsMatch(pattern, at))
            {
                result.Append("{0");   // {,n} is text to .NET
                continue;
            }

            // Right behind the opening bracket, or its ^, a closing one stands for itself.
            classStart = inClass ? c == ']' && at > classStart + (pattern[classStart + 1] == '^' ? 2 : 1) ? -1 : classStart : c == '[' ? at : -1;
            result.Append(c);
        }

        // To Ruby ^ and $ are the ends of lines.
        return new Regex(result.ToString(), RegexOptions.CultureInvariant | RegexOptions.Multiline);
    }

    private static string Excerpt(string pattern, int at) => pattern.Length - at > 12 ? $"{pattern.AsSpan(at, 12)}…" : pattern[at..];

    [GeneratedRegex(@"\G\(\?[a-zA-Z-]+(?=[:)])")]
    private static partial Regex Flags();

    [GeneratedRegex(@"\G\{,\d+\}")]
    private static partial Regex NoMinimum();
}
