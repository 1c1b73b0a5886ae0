using LlasaNative.Data;

namespace LlasaNative.Tests.Audio;

/// <summary>Synthetic voices whose fundamental frequency is known at every moment.</summary>
internal static class Voices
{
    public const int Rate = 16000;

    /// <summary>Harmonics 1/k up to 4 kHz of a phase that follows <paramref name="hertz"/>.</summary>
    /// <param name="seconds">Length.</param>
    /// <param name="hertz">Fundamental frequency at a time in seconds; 0 = silent.</param>
    /// <param name="first">Lowest harmonic that sounds; 2 = the fundamental is missing.</param>
    public static float[] Sing(double seconds, Func<double, double> hertz, int first = 1)
    {
        var samples = new float[(int)(seconds * Rate)];
        double phase = 0;
        for (var i = 0; i < samples.Length; i++)
        {
            var f = hertz((double)i / Rate);
            phase += 2 * Math.PI * f / Rate;
            for (var k = first; f > 0 && k * f < 4000; k++)
            {
                samples[i] += (float)(0.1 / k * Math.Sin(k * phase));
            }
        }

        return samples;
    }

    /// <summary>One pulse per period, each period longer or shorter by a random share, through a resonance: a hoarse voice.</summary>
    /// <param name="seconds">Length.</param>
    /// <param name="hertz">Mean fundamental frequency.</param>
    /// <param name="jitter">Standard deviation of a period over its mean.</param>
    public static float[] Pulses(double seconds, double hertz, double jitter)
    {
        var samples = new float[(int)(seconds * Rate)];
        var number = 0UL;
        for (double at = 0; at < samples.Length; at += Rate / hertz * (1 + (jitter * Normal(7, number++))))
        {
            for (var n = (int)Math.Ceiling(at); n < Math.Min(samples.Length, at + 400); n++)
            {
                var t = (n - at) / Rate;
                samples[n] += (float)(0.3 * Math.Exp(-300 * t) * Math.Sin(2 * Math.PI * 700 * t));
            }
        }

        return samples;
    }

    /// <summary>White noise.</summary>
    /// <param name="count">Samples.</param>
    /// <param name="deviation">Its standard deviation.</param>
    /// <param name="key">Of the random numbers.</param>
    public static float[] Noise(int count, double deviation, ulong key = 1) =>
        [.. Enumerable.Range(0, count).Select(i => (float)(deviation * Normal(key, (ulong)i)))];

    public static float[] Add(float[] a, float[] b) => [.. a.Zip(b, (x, y) => x + y)];

    public static double Rms(float[] samples) => Math.Sqrt(samples.Average(s => (double)s * s));

    /// <summary>Sum of twelve uniform numbers: close enough to normal.</summary>
    private static double Normal(ulong key, ulong index)
    {
        var sum = -6.0;
        for (var i = 0UL; i < 12; i++)
        {
            sum += Philox.Below(key, index, i, 1 << 24) / (double)(1 << 24);
        }

        return sum;
    }
}
