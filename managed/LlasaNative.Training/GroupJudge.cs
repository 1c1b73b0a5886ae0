namespace LlasaNative.Training;

/// <summary>Has one pair of each group judged by somebody else than the reward, which only says which two: its best and its worst.</summary>
/// <remarks><b>Threads:</b> one at a time. <b>Lifetime:</b> the judge is somebody else's to dispose.</remarks>
/// <param name="judge">Who judges.</param>
internal sealed class GroupJudge(IPairJudge judge)
{
    /// <summary>Asks about all groups at once.</summary>
    /// <param name="drawn">Samples with their sounds.</param>
    /// <param name="timer">Told how long it takes.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="OperationCanceledException">It was given up.</exception>
    public DrawnGroups Ask(DrawnGroups drawn, PhaseTimer timer, CancellationToken cancellation)
    {
        var size = drawn.GroupSize;
        var asked = Enumerable.Range(0, drawn.Judged.Length).Chunk(Math.Max(size, 1)).Select(group => AskAsync(drawn, group, cancellation));
        return drawn with { Pairs = timer.Measure("judge", () => Task.WhenAll(asked).GetAwaiter().GetResult()) };
    }

    private async Task<JudgedPair?> AskAsync(DrawnGroups drawn, int[] group, CancellationToken cancellation)
    {
        // Two of equal codes are one sample: neither is the better. Of equal rewards the first two meet.
        int[] ranked = [.. group.Where(i => !drawn.Judged[i].Masked && drawn.Codes[i].Length > 0 && drawn.Recognised[i].Sound is { Length: > 0 })
            .DistinctBy(i => string.Join(',', drawn.Codes[i])).OrderByDescending(i => drawn.Judged[i].Reward)];
        if (ranked.Length < 2)
        {
            return null;
        }

        var (best, worst) = (ranked[0], drawn.Judged[ranked[0]].Reward > drawn.Judged[ranked[^1]].Reward ? ranked[^1] : ranked[1]);
        var verdict = await judge.JudgeAsync(drawn.Texts[best], drawn.Recognised[best].Sound, drawn.Recognised[worst].Sound, RecognisedSample.SampleRate, cancellation).ConfigureAwait(false);
        return new JudgedPair(best - group[0], worst - group[0], verdict);
    }
}
