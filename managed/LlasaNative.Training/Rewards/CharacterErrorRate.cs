using System.Text.RegularExpressions;

namespace LlasaNative.Rewards;

/// <summary>Character and word error rates with jiwer's default semantics.</summary>
/// <remarks>
/// <para>Both texts are stripped of white space at their ends, as Python does; nothing else is normalised. Characters are
/// code points. An empty reference gives the number of characters (words) of the hypothesis.</para>
/// <para><b>Threads:</b> stateless, any thread.</para>
/// </remarks>
/// <example><code>double cer = CharacterErrorRate.Compute("a big dog", "a pig dog"); // 1/9</code></example>
public static partial class CharacterErrorRate
{
    /// <summary>Character error rate of one pair: distance / length of the reference; may exceed 1.</summary>
    /// <param name="reference">What should have been said.</param>
    /// <param name="hypothesis">What was heard.</param>
    public static double Compute(string reference, string hypothesis)
    {
        (int distance, int length) = Count(reference, hypothesis);
        return Rate(distance, length);
    }

    /// <summary>Distance in code points and length of the stripped reference, for sums over a corpus.</summary>
    /// <param name="reference">What should have been said.</param>
    /// <param name="hypothesis">What was heard.</param>
    public static (int Distance, int ReferenceLength) Count(string reference, string hypothesis)
    {
        int[] a = CodePoints(PythonText.Strip(reference));
        int[] b = CodePoints(PythonText.Strip(hypothesis));
        return (EditDistance.Compute(a, b), a.Length);
    }

    /// <summary>Word error rate of one pair; words are separated by spaces or runs of white space.</summary>
    /// <param name="reference">What should have been said.</param>
    /// <param name="hypothesis">What was heard.</param>
    public static double ComputeWords(string reference, string hypothesis)
    {
        (int distance, int length) = CountWords(reference, hypothesis);
        return Rate(distance, length);
    }

    /// <summary>Distance in words and number of words of the reference, for sums over a corpus.</summary>
    /// <param name="reference">What should have been said.</param>
    /// <param name="hypothesis">What was heard.</param>
    public static (int Distance, int ReferenceLength) CountWords(string reference, string hypothesis)
    {
        Dictionary<string, int> words = new(StringComparer.Ordinal);
        int[] a = Words(reference, words);
        int[] b = Words(hypothesis, words);
        return (EditDistance.Compute(a, b), a.Length);
    }

    /// <summary>Number of code points of a text, white space at its ends not counted.</summary>
    /// <param name="text">Any text.</param>
    public static int Length(string text) => CodePoints(PythonText.Strip(text)).Length;

    private static double Rate(long distance, long length) => length == 0 ? distance : (double)distance / length;

    private static int[] CodePoints(string text) => [.. text.EnumerateRunes().Select(rune => rune.Value)];

    /// <summary>jiwer joins runs of white space first and then splits at spaces only.</summary>
    private static int[] Words(string text, Dictionary<string, int> numbers)
    {
        string[] words = PythonText.Strip(SpaceRuns().Replace(text, " ")).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return [.. words.Select(word => numbers.TryAdd(word, numbers.Count) ? numbers.Count - 1 : numbers[word])];
    }

    [GeneratedRegex("[" + PythonText.SpaceClass + "]{2,}")]
    private static partial Regex SpaceRuns();
}
