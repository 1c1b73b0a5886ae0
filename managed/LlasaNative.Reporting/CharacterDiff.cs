namespace LlasaNative.Reporting;

/// <summary>Marks, in HTML, how a transcript differs from the text it should be.</summary>
public static class CharacterDiff
{
    private enum Kind
    {
        Same,
        Wrong,
        Missing,
    }

    /// <summary>The transcript with wrong and extra characters in <c>&lt;mark&gt;</c> and missing ones in <c>&lt;del&gt;</c>.</summary>
    /// <param name="reference">What should have been heard.</param>
    /// <param name="transcript">What was heard.</param>
    public static string ToHtml(string reference, string transcript)
    {
        ArgumentNullException.ThrowIfNull(reference);
        ArgumentNullException.ThrowIfNull(transcript);
        StringBuilder html = new();
        StringBuilder run = new();
        var kind = Kind.Same;
        foreach (var (next, character) in Align(reference, transcript))
        {
            if (next != kind)
            {
                Flush();
                kind = next;
            }

            run.Append(character);
        }

        Flush();
        return html.ToString();

        void Flush()
        {
            if (run.Length > 0)
            {
                var text = WebUtility.HtmlEncode(run.ToString());
                html.Append(kind switch
                {
                    Kind.Wrong => $"<mark>{text}</mark>",
                    Kind.Missing => $"<del>{text}</del>",
                    _ => text,
                });
                run.Clear();
            }
        }
    }

    private static List<(Kind Kind, char Character)> Align(string a, string b)
    {
        var cost = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
        {
            for (var j = 0; j <= b.Length; j++)
            {
                cost[i, j] = i == 0 || j == 0
                    ? i + j
                    : Math.Min(cost[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1), Math.Min(cost[i - 1, j], cost[i, j - 1]) + 1);
            }
        }

        List<(Kind, char)> steps = [];
        var (x, y) = (a.Length, b.Length);
        while (x > 0 || y > 0)
        {
            if (x > 0 && y > 0 && cost[x, y] == cost[x - 1, y - 1] + (a[x - 1] == b[y - 1] ? 0 : 1))
            {
                steps.Add((a[x - 1] == b[y - 1] ? Kind.Same : Kind.Wrong, b[y - 1]));
                (x, y) = (x - 1, y - 1);
            }
            else if (y > 0 && cost[x, y] == cost[x, y - 1] + 1)
            {
                steps.Add((Kind.Wrong, b[--y]));
            }
            else
            {
                steps.Add((Kind.Missing, a[--x]));
            }
        }

        steps.Reverse();
        return steps;
    }
}
