using LlasaNative.Data;

namespace LlasaNative.Reporting.Rating;

/// <summary>Strengths of policies from who was preferred to whom (Bradley and Terry, 1952), as Elo numbers with intervals.</summary>
/// <remarks>
/// Equal counts as half a win for each. Of every two policies that met, half a win each way is added, so that one which always won has a
/// finite strength. Intervals are percentiles of a bootstrap over pairs. <b>Threads:</b> any.
/// </remarks>
public static class BradleyTerry
{
    private const double Prior = 0.5;
    private const int Iterations = 2000;

    /// <summary>One meeting of two.</summary>
    /// <param name="First">Number of the one.</param>
    /// <param name="Second">Number of the other.</param>
    /// <param name="Score">1: the first was preferred, 0: the second, 0.5: neither.</param>
    public readonly record struct Meeting(int First, int Second, double Score);

    /// <summary>Elo numbers whose mean is 1000; 400 more are odds of ten to one.</summary>
    /// <param name="count">How many there are.</param>
    /// <param name="meetings">Who met whom.</param>
    public static double[] Elo(int count, IReadOnlyList<Meeting> meetings)
    {
        ArgumentNullException.ThrowIfNull(meetings);
        var wins = new double[count, count];
        foreach (var (first, second, score) in meetings.Where(m => m.First != m.Second))
        {
            wins[first, second] += score;
            wins[second, first] += 1 - score;
        }

        var games = new double[count, count];
        var won = new double[count];
        for (var i = 0; i < count; i++)
        {
            for (var j = 0; j < count; j++)
            {
                var met = wins[i, j] + wins[j, i] > 0;
                games[i, j] = met ? wins[i, j] + wins[j, i] + (2 * Prior) : 0;
                won[i] += met ? wins[i, j] + Prior : 0;
            }
        }

        // Zermelo's iteration, which every step brings nearer; who met nobody stays in the middle.
        double[] strength = [.. Enumerable.Repeat(1.0, count)];
        for (var step = 0; step < Iterations; step++)
        {
            double[] next = [.. Enumerable.Range(0, count).Select(i => won[i] == 0 ? strength[i]
                : won[i] / Enumerable.Range(0, count).Where(j => games[i, j] > 0).Sum(j => games[i, j] / (strength[i] + strength[j])))];
            var mean = Math.Exp(next.Average(Math.Log));
            next = [.. next.Select(s => s / mean)];
            var moved = next.Zip(strength, (a, b) => Math.Abs(Math.Log(a / b))).Max();
            strength = next;
            if (moved < 1e-12)
            {
                break;
            }
        }

        return [.. strength.Select(s => 1000 + (400 * Math.Log10(s)))];
    }

    /// <summary>The same with 95 % intervals.</summary>
    /// <param name="count">How many there are.</param>
    /// <param name="pairs">Meetings of each pair of samples, one per judgement: they are drawn together.</param>
    /// <param name="seed">Decides the resamples.</param>
    /// <param name="resamples">How many.</param>
    public static IReadOnlyList<(double Value, double Low, double High)> Elo(int count, IReadOnlyList<IReadOnlyList<Meeting>> pairs, ulong seed, int resamples = 1000)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        var value = Elo(count, [.. pairs.SelectMany(p => p)]);
        var drawn = Enumerable.Range(0, resamples).Select(r => Elo(count, [.. pairs.SelectMany((_, i) => pairs[Philox.Below(seed, (ulong)r, (ulong)i, pairs.Count)])])).ToArray();
        return [.. value.Select((v, i) =>
        {
            double[] sorted = [.. drawn.Select(d => d[i]).Order()];
            return (v, sorted[(int)(0.025 * (resamples - 1))], sorted[(int)Math.Ceiling(0.975 * (resamples - 1))]);
        })];
    }
}
