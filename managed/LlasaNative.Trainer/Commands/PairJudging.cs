using System.Diagnostics;
using System.Security.Cryptography;
using LlasaNative.Judging;

namespace LlasaNative.Trainer.Commands;

/// <summary>Has a file's worth of pairs judged by a model, and keeps every answer where the next attempt finds it.</summary>
internal static class PairJudging
{
    /// <summary>The pairs of which one is preferred whichever is played first, that one first; and what the judge said of all.</summary>
    /// <param name="options">How it is asked, and how often it may fail.</param>
    /// <param name="output">File of the pairs that come of it: the book of judgements stands beside it.</param>
    /// <exception cref="RewardUnavailableException">Too many could not be judged.</exception>
    public static (IReadOnlyList<SpeechPair> Preferred, JudgeCounts Counts) Judge(
        IReadOnlyList<SpeechPair> pairs, IPairJudge judge, JudgeOptions options, string output, Func<SpeechCodec> load)
    {
        var asked = Fingerprint(pairs, options);
        var path = Path.ChangeExtension(output, null) + $".judge-{asked}.jsonl";
        using RatingBook book = new(path, asked);
        using StopSignal stop = new(atOnce: true);
        var verdicts = Known(pairs.Count, book.Ratings);
        int[] open = [.. Enumerable.Range(0, pairs.Count).Where(i => verdicts[i] is null)];
        if (open.Length > 0)
        {
            Console.Error.WriteLine($"{judge.Name} judges {open.Length} pairs");
            var progress = Terminal.Progress(pairs.Count);
            using var codec = load();
            foreach (var some in open.Chunk(Math.Max(2 * options.AtOnce, 16)))
            {
                Ask(pairs, some, judge, codec, verdicts, book, stop.Abort);
                progress.Took(verdicts.Count(v => v is not null), "pairs");
                // What cannot end well ends here: each of those that are left would have to be waited for.
                Check(verdicts, pairs.Count, options, path);
            }

            progress.Finish();
        }

        return ([.. pairs.Zip(verdicts).Where(p => p.Second!.IsPreference).Select(p => p.Second!.PrefersFirst
            ? new SpeechPair(p.First.First, p.First.Second, true) : new SpeechPair(p.First.Second, p.First.First, true))], new JudgeCounts([.. verdicts.OfType<PairVerdict>()]));
    }

    private static void Ask(IReadOnlyList<SpeechPair> pairs, int[] some, IPairJudge judge, SpeechCodec codec, PairVerdict?[] verdicts, RatingBook book, CancellationToken cancellation)
    {
        using var waves = codec.Decode([.. some.SelectMany(i => new[] { pairs[i].First.Codes.ToArray(), pairs[i].Second.Codes.ToArray() })]);
        Lock writing = new();
        var asked = some.Select(async (pair, place) =>
        {
            var since = Stopwatch.GetTimestamp();
            var verdict = await judge.JudgeAsync(pairs[pair].First.Text, waves[2 * place].ToArray(), waves[(2 * place) + 1].ToArray(), codec.SampleRate, cancellation).ConfigureAwait(false);
            lock (writing)
            {
                verdicts[pair] = verdict;
                if (verdict.IsJudged)
                {
                    var seconds = Stopwatch.GetElapsedTime(since).TotalSeconds;
                    book.Add(Rating(pair, judge.Name, verdict.Forward, seconds, isSwapped: false));
                    book.Add(Rating(pair, judge.Name, verdict.Backward, seconds, isSwapped: true));
                }
            }
        }).ToArray();
        // Even where one of them fails it waits for all: nobody finds the book closed.
        Task.WhenAll(asked).GetAwaiter().GetResult();
    }

    private static void Check(PairVerdict?[] verdicts, int of, JudgeOptions options, string path)
    {
        try
        {
            new JudgeCounts([.. verdicts.OfType<PairVerdict>()]).Check(of, options);
        }
        catch (RewardUnavailableException e)
        {
            throw new RewardUnavailableException($"{e.Message}; {path} keeps the answers there are, and the same command goes on", e);
        }
    }

    /// <summary>As a rater who hears every pair a second time with sides changed, which is what a judge does.</summary>
    private static PairRating Rating(int pair, string rater, JudgeAnswer answer, double seconds, bool isSwapped) => new(pair, rater, answer switch
    {
        JudgeAnswer.Tie => RatingChoice.Equal,
        JudgeAnswer.First => isSwapped ? RatingChoice.B : RatingChoice.A,
        _ => isSwapped ? RatingChoice.A : RatingChoice.B,
    }, isSwapped, isSwapped, seconds, DateTimeOffset.UtcNow);

    private static PairVerdict?[] Known(int count, IReadOnlyList<PairRating> ratings)
    {
        var verdicts = new PairVerdict?[count];
        foreach (var both in ratings.GroupBy(r => r.Pair).Where(g => g.Any(r => r.Swapped) && g.Any(r => !r.Swapped) && g.Key < count))
        {
            verdicts[both.Key] = new PairVerdict(Answer(both.First(r => !r.Swapped)), Answer(both.First(r => r.Swapped)));
        }

        return verdicts;

        static JudgeAnswer Answer(PairRating rating) => rating.Choice switch
        {
            RatingChoice.A => rating.Swapped ? JudgeAnswer.Second : JudgeAnswer.First,
            RatingChoice.B => rating.Swapped ? JudgeAnswer.First : JudgeAnswer.Second,
            _ => JudgeAnswer.Tie,
        };
    }

    /// <summary>Of the pairs, who is asked and what: another question's answers are another book.</summary>
    private static string Fingerprint(IReadOnlyList<SpeechPair> pairs, JudgeOptions options)
    {
        var of = RateCommand.Fingerprint(pairs);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{of}\n{options.Model}\n{options.Prompt}")))[..12];
    }

    /// <summary>What there is to say of it, in a line.</summary>
    public static string Describe(JudgeCounts counts) => string.Create(CultureInfo.InvariantCulture,
        $"both orders agree on {Percent(counts.Agreement)} of {counts.Pairs - counts.NotJudged} judged pairs, neither is better in {counts.Ties}; {Percent(counts.FirstShare)} of the choices are for what is played first; ")
        + string.Create(CultureInfo.InvariantCulture, $"{counts.Failed} requests failed, {counts.Other} answers were none");

    private static string Percent(double share) => double.IsNaN(share) ? "–" : string.Create(CultureInfo.InvariantCulture, $"{100 * share:F0} %");
}
