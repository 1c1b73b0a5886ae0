using LlasaNative.Training;

namespace LlasaNative.Recognition;

/// <summary>Sounds without their beginnings.</summary>
/// <param name="sounds">The whole ones; disposed with this.</param>
/// <param name="leads">Samples that are left out at the beginning of each.</param>
/// <remarks><b>Threads:</b> as the whole ones. <b>Lifetime:</b> dispose it.</remarks>
public sealed class CutSounds(ISounds sounds, IReadOnlyList<int> leads) : ISounds
{
    /// <inheritdoc/>
    public int Count => sounds.Count;

    /// <inheritdoc/>
    public int SampleRate => sounds.SampleRate;

    /// <inheritdoc/>
    public ReadOnlySpan<float> this[int index] => sounds[index][Math.Min(leads[index], sounds[index].Length)..];

    /// <summary>What was left out of a sound.</summary>
    /// <param name="index">Which.</param>
    public ReadOnlySpan<float> Lead(int index) => sounds[index][..Math.Min(leads[index], sounds[index].Length)];

    /// <inheritdoc/>
    public void Dispose() => sounds.Dispose();
}
