namespace LlasaNative.Audio;

/// <summary>Where in a sound there is something to hear, by level.</summary>
/// <remarks>
/// Frames of 10 ms, levels over 20 ms. A frame is silent when it lies 35 dB below the loud frames (the 95th percentile) or below
/// -60 dB of full scale. A pause is silence of at least 150 ms between sounding frames: shorter ones are mostly the closures of
/// plosives. <b>Threads:</b> stateless, any thread.
/// </remarks>
/// <param name="Seconds">Length of the sound.</param>
/// <param name="Start">Seconds to the first sounding frame.</param>
/// <param name="End">Seconds to the end of the last sounding frame; 0 when all is silent.</param>
/// <param name="Pauses">Number of pauses.</param>
/// <param name="PauseSeconds">Seconds of all pauses.</param>
/// <param name="LongestPause">Seconds of the longest pause.</param>
public readonly record struct SpeechActivity(double Seconds, double Start, double End, int Pauses, double PauseSeconds, double LongestPause)
{
    private const double Hop = 0.01;
    private const double BelowLoud = 35;
    private const double Floor = -60;
    private const double ShortestPause = 0.15;

    /// <summary>Seconds from the first to the last sounding frame, pauses included.</summary>
    public double Spoken => End - Start;

    /// <summary>Share of <see cref="Spoken"/> that is pauses; 0 when all is silent.</summary>
    public double PauseShare => Spoken > 0 ? PauseSeconds / Spoken : 0;

    /// <summary>Measures a sound.</summary>
    /// <param name="samples">Amplitudes, full scale is ±1.</param>
    /// <param name="sampleRate">Samples per second, positive.</param>
    public static SpeechActivity Measure(ReadOnlySpan<float> samples, int sampleRate)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sampleRate);
        var seconds = (double)samples.Length / sampleRate;
        var levels = Levels(samples, sampleRate);
        if (levels.Length == 0)
        {
            return new SpeechActivity(seconds, 0, 0, 0, 0, 0);
        }

        double[] sorted = [.. levels.Order()];
        var threshold = Math.Max(sorted[(int)(0.95 * (sorted.Length - 1))] - BelowLoud, Floor);
        var first = Array.FindIndex(levels, l => l >= threshold);
        if (first < 0)
        {
            return new SpeechActivity(seconds, 0, 0, 0, 0, 0);
        }

        var last = Array.FindLastIndex(levels, l => l >= threshold);
        var (pauses, total, longest, run) = (0, 0, 0, 0);
        for (var frame = first; frame <= last; frame++)
        {
            if (levels[frame] < threshold)
            {
                run++;
                continue;
            }

            if (run * Hop >= ShortestPause - 1e-9)
            {
                pauses++;
                total += run;
                longest = Math.Max(longest, run);
            }

            run = 0;
        }

        return new SpeechActivity(seconds, first * Hop, Math.Min((last + 1) * Hop, seconds), pauses, total * Hop, longest * Hop);
    }

    /// <summary>Level of each frame in dB of full scale; silence is -∞.</summary>
    private static double[] Levels(ReadOnlySpan<float> samples, int sampleRate)
    {
        var levels = new double[(int)(samples.Length / (Hop * sampleRate))];
        for (var frame = 0; frame < levels.Length; frame++)
        {
            var (from, to) = ((int)((frame - 0.5) * Hop * sampleRate), (int)((frame + 1.5) * Hop * sampleRate));
            levels[frame] = 10 * Math.Log10(SoundLevel.MeanSquare(samples[Math.Max(from, 0)..Math.Min(to, samples.Length)]));
        }

        return levels;
    }
}
