using System.Text.RegularExpressions;

namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>Cuts long texts into parts that a policy can say in one go.</summary>
internal static partial class Sentences
{
    /// <summary>The parts of a text: sentences, as many together as are short enough; one that is too long is cut at a comma or between words.</summary>
    /// <param name="text">The text; not empty.</param>
    /// <param name="most">Most characters of a part.</param>
    /// <returns>At least one part, none empty; together they say the whole text.</returns>
    public static IReadOnlyList<string> Cut(string text, int most)
    {
        List<string> parts = [];
        foreach (var piece in Ends().Split(text).Select(s => s.Trim()).Where(s => s.Length > 0).SelectMany(s => Shorten(s, most)))
        {
            if (parts.Count > 0 && parts[^1].Length + 1 + piece.Length <= most)
            {
                parts[^1] += " " + piece;
            }
            else
            {
                parts.Add(piece);
            }
        }

        return parts;
    }

    private static IEnumerable<string> Shorten(string sentence, int most)
    {
        while (sentence.Length > most)
        {
            // Behind the last comma or the like of the second half, else between words, else anywhere but inside a surrogate pair.
            var at = Pauses().Matches(sentence[..most]) is [.., var pause] && pause.Index + 1 >= most / 2 ? pause.Index + 1 : sentence.LastIndexOf(' ', most - 1, most);
            at = at > 0 ? at : char.IsHighSurrogate(sentence[most - 1]) && most > 1 ? most - 1 : most;
            yield return sentence[..at].Trim();
            sentence = sentence[at..].Trim();
        }

        if (sentence.Length > 0)
        {
            yield return sentence;
        }
    }

    // Behind a full stop and its closing quotes, where a space follows; behind those of Chinese and Japanese without one; at the end of a line.
    [GeneratedRegex(@"(?<=[.!?…][""'”’»)\]]*)\s+|(?<=[。！？][”’」』）]*)(?![”’」』）])|[\r\n]+")]
    private static partial Regex Ends();

    [GeneratedRegex(@"[,;:、，；：–—](?=\s|$)|[、，；：]")]
    private static partial Regex Pauses();
}
