using LlasaNative.Data;

namespace LlasaNative.Training;

/// <summary>Confidence interval of the difference between two error rates measured on the same texts.</summary>
public static class PairedBootstrap
{
    /// <summary>Resamples texts with replacement; both systems are measured on the same resample.</summary>
    /// <param name="before">Edits and characters of each text, first system.</param>
    /// <param name="after">The same of the second system.</param>
    /// <param name="key">Of the random numbers.</param>
    /// <param name="resamples">How many.</param>
    /// <param name="level">Share of resamples inside the interval.</param>
    /// <returns>Difference after minus before of the corpus error rates, and its percentile interval.</returns>
    /// <exception cref="ArgumentException">The lists are empty or differ in length.</exception>
    public static (double Difference, double Low, double High) Difference(
        IReadOnlyList<(int Edits, int Characters)> before, IReadOnlyList<(int Edits, int Characters)> after, ulong key,
        int resamples = 10_000, double level = 0.95)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        if (before.Count == 0 || before.Count != after.Count)
        {
            throw new ArgumentException($"{before.Count} and {after.Count} texts, expected the same number, at least 1", nameof(after));
        }

        var differences = new double[resamples];
        for (var r = 0; r < resamples; r++)
        {
            long editsBefore = 0, editsAfter = 0, charactersBefore = 0, charactersAfter = 0;
            for (var i = 0; i < before.Count; i++)
            {
                var pick = Philox.Below(key, (ulong)r, (ulong)i, before.Count);
                editsBefore += before[pick].Edits;
                charactersBefore += before[pick].Characters;
                editsAfter += after[pick].Edits;
                charactersAfter += after[pick].Characters;
            }

            differences[r] = Rate(editsAfter, charactersAfter) - Rate(editsBefore, charactersBefore);
        }

        Array.Sort(differences);
        var difference = Rate(after.Sum(t => (long)t.Edits), after.Sum(t => (long)t.Characters))
            - Rate(before.Sum(t => (long)t.Edits), before.Sum(t => (long)t.Characters));
        return (difference, Quantile(differences, (1 - level) / 2), Quantile(differences, (1 + level) / 2));
    }

    private static double Rate(long edits, long characters) => (double)edits / Math.Max(characters, 1);

    /// <summary>Linear between order statistics, as numpy's default.</summary>
    private static double Quantile(double[] sorted, double q)
    {
        var position = q * (sorted.Length - 1);
        var low = (int)Math.Floor(position);
        var high = Math.Min(low + 1, sorted.Length - 1);
        return sorted[low] + ((position - low) * (sorted[high] - sorted[low]));
    }
}
