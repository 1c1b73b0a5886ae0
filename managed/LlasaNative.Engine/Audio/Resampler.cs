namespace LlasaNative.Audio;

/// <summary>Changes the sample rate by any rational factor: a windowed sinc, evaluated only where samples are.</summary>
/// <remarks>
/// <para>Kaiser window with β 10 (side lobes below −100 dB) over 64 zero crossings to each side; the pass band reaches 0.90
/// of the lower Nyquist frequency, the stop band starts at it. Phase is linear, output sample n stands at time
/// n / target rate.</para>
/// <para><b>Threads:</b> stateless, any thread.</para>
/// </remarks>
public static class Resampler
{
    private const int ZeroCrossings = 64;
    private const double Beta = 10;

    // Kaiser's formula: (99.4 dB - 8) / (2.285 * 128 taps * pi) = 0.1 of the Nyquist frequency for the transition band,
    // half of it at each side of the cut-off.
    private const double CutOff = 0.95;
    private const int MaxTableEntries = 1 << 20;

    /// <summary>Resamples a sound.</summary>
    /// <param name="audio">The sound.</param>
    /// <param name="targetRate">Samples per second wanted, positive.</param>
    /// <returns>The same object when the rate is already right.</returns>
    public static WaveAudio Resample(WaveAudio audio, int targetRate)
    {
        ArgumentNullException.ThrowIfNull(audio);
        return audio.SampleRate == targetRate
            ? audio
            : new WaveAudio(Resample(audio.Samples.Span, audio.SampleRate, targetRate), targetRate);
    }

    /// <summary>Resamples samples.</summary>
    /// <param name="samples">Samples; taken as 0 beyond their ends.</param>
    /// <param name="sourceRate">Their rate in samples per second, positive.</param>
    /// <param name="targetRate">The rate wanted, positive.</param>
    /// <returns>ceil(length · target / source) samples.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A rate is not positive.</exception>
    public static float[] Resample(ReadOnlySpan<float> samples, int sourceRate, int targetRate)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sourceRate);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(targetRate);
        if (sourceRate == targetRate)
        {
            return samples.ToArray();
        }

        (int up, int down) = Ratio(sourceRate, targetRate);
        float[] result = new float[checked((int)(((long)samples.Length * up + down - 1) / down))];

        // In units of source samples the sinc widens when the rate goes down.
        double bandwidth = CutOff * Math.Min(1.0, (double)up / down);
        int reach = Reach(sourceRate, targetRate);
        int taps = 2 * reach;
        bool tabulated = (long)up * taps <= MaxTableEntries;
        float[][] table = new float[tabulated ? up : 1][];
        for (int n = 0; n < result.Length; n++)
        {
            long position = (long)n * down;
            int phase = (int)(position % up);
            int first = (int)(position / up) - reach + 1;
            float[] filter = table[tabulated ? phase : 0] is { } known && tabulated
                ? known
                : table[tabulated ? phase : 0] = Filter((double)phase / up, bandwidth, reach);
            int from = Math.Max(0, -first);
            int to = Math.Min(taps, samples.Length - first);
            double sum = 0;
            for (int k = from; k < to; k++)
            {
                sum += (double)samples[first + k] * filter[k];
            }

            result[n] = (float)sum;
        }

        return result;
    }

    /// <summary>Target rate over source rate, in lowest terms.</summary>
    internal static (int Up, int Down) Ratio(int sourceRate, int targetRate)
    {
        int divisor = (int)System.Numerics.BigInteger.GreatestCommonDivisor(sourceRate, targetRate);
        return (targetRate / divisor, sourceRate / divisor);
    }

    /// <summary>Source samples that an output sample sees to each side.</summary>
    internal static int Reach(int sourceRate, int targetRate) =>
        (int)Math.Ceiling(ZeroCrossings / (CutOff * Math.Min(1.0, (double)targetRate / sourceRate)));

    /// <summary>Taps for an output sample that lies a fraction of a source sample after one; they add up to 1.</summary>
    private static float[] Filter(double fraction, double bandwidth, int reach)
    {
        double[] taps = new double[2 * reach];
        double sum = 0;
        for (int k = 0; k < taps.Length; k++)
        {
            double distance = k - reach + 1 - fraction;
            double x = Math.PI * bandwidth * distance;
            double inside = distance / reach;
            double window = Math.Abs(inside) >= 1 ? 0 : Bessel(Beta * Math.Sqrt(1 - (inside * inside))) / Bessel(Beta);
            taps[k] = window * (Math.Abs(x) < 1e-9 ? 1 : Math.Sin(x) / x);
            sum += taps[k];
        }

        return [.. taps.Select(tap => (float)(tap / sum))];
    }

    /// <summary>Modified Bessel function of the first kind, order 0, by its power series.</summary>
    private static double Bessel(double x)
    {
        double term = 1;
        double sum = 1;
        for (int k = 1; term > 1e-17 * sum; k++)
        {
            term *= x / (2 * k) * (x / (2 * k));
            sum += term;
        }

        return sum;
    }
}
