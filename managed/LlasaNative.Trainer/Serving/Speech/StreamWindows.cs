namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>How codes that are still being drawn are cut into windows: all in codes.</summary>
/// <remarks>
/// X-Codec2's attention sees a whole clip, so a window's sound depends on all of it; what is decoded beside the wanted part brings the
/// sound near to that of all codes at once. docs/serving.md says by how much.
/// </remarks>
internal sealed record StreamWindows
{
    /// <summary>Decoded before the wanted part.</summary>
    public int Left { get; init; } = 50;

    /// <summary>Decoded behind it: the sound lags this much behind the drawing.</summary>
    public int Right { get; init; } = 5;

    /// <summary>The first wanted part: short, for the sound to begin soon.</summary>
    public int First { get; init; } = 10;

    /// <summary>Every other: long, for less to be decoded twice.</summary>
    public int Part { get; init; } = 50;

    /// <summary>Over which one window's sound goes over into the next one's; at most <see cref="Right"/> and <see cref="First"/>.</summary>
    public int Fade { get; init; } = 2;

    /// <summary>The next wanted part, when it can be had: from a code on, to another.</summary>
    /// <param name="from">The first code that was not given yet.</param>
    /// <returns>Where the part ends; null = later.</returns>
    public int? Next(int from, int drawn, bool ended)
    {
        var to = from + (from == 0 ? First : Part);
        return drawn >= to + Right ? to : ended && drawn > from ? Math.Min(to, drawn) : null;
    }

    /// <summary>Of all codes, a voice's before them included, the window around a part.</summary>
    /// <param name="from">First own code of the part.</param>
    /// <param name="to">Behind its last.</param>
    public (int Begin, int End) Around(int lead, int from, int to, int drawn) => (Math.Max(0, lead + from - Left), lead + Math.Min(drawn, to + Right));
}
