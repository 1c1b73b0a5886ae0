using LlasaNative.Audio;

namespace LlasaNative.Reporting;

/// <summary>One sentence as spoken before and after training.</summary>
/// <param name="Text">What should be said.</param>
/// <param name="Before">The sample before.</param>
/// <param name="After">The sample after.</param>
public sealed record DemoPair(string Text, DemoClip Before, DemoClip After)
{
    /// <summary>The first sample of each of the first texts.</summary>
    /// <param name="count">Texts; no more than there are.</param>
    /// <param name="before">Samples before.</param>
    /// <param name="after">Samples of the same texts after.</param>
    /// <param name="encode">Makes WAV files.</param>
    public static IReadOnlyList<DemoPair> First(int count, EvaluationResult before, EvaluationResult after, WaveEncoder encode)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        return [.. before.Samples.Chunk(before.SamplesPerText).Zip(after.Samples.Chunk(after.SamplesPerText)).Take(count)
            .Select(text => new DemoPair(text.First[0].Text, DemoClip.Of(text.First[0], encode), DemoClip.Of(text.Second[0], encode)))];
    }
}
