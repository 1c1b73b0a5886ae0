namespace LlasaNative.Audio;

/// <summary>How loud a sound is.</summary>
/// <remarks><b>Threads:</b> stateless, any thread.</remarks>
public static class SoundLevel
{
    /// <summary>Root mean square below which a sound counts as silent unless somebody says otherwise; full scale is 1.</summary>
    public const double Silence = 1e-4;

    /// <summary>Root mean square, full scale is 1; 0 for an empty sound.</summary>
    /// <param name="sound">Mono samples.</param>
    public static double RootMeanSquare(ReadOnlySpan<float> sound) => Math.Sqrt(MeanSquare(sound));

    /// <summary>Its square.</summary>
    internal static double MeanSquare(ReadOnlySpan<float> sound)
    {
        double sum = 0;
        foreach (var sample in sound)
        {
            sum += (double)sample * sample;
        }

        return sound.IsEmpty ? 0 : sum / sound.Length;
    }
}
