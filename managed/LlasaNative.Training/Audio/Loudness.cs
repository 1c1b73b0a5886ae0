namespace LlasaNative.Audio;

/// <summary>How loud speech seems, by Recommendation ITU-R BS.1770-4, and sounds made as loud as each other.</summary>
/// <remarks>
/// One channel. Blocks of 400 ms, three quarters of each in the next; those below -70 LUFS, and those more than 10 LU below the rest, do not
/// count. A sound shorter than a block is one block. <b>Threads:</b> stateless, any thread.
/// </remarks>
public static class Loudness
{
    private const double Block = 0.4;
    private const double Hop = 0.1;
    private const double Silent = -70;
    private const double BelowRest = 10;
    private const double Offset = -0.691;

    /// <summary>Loudness of a sound in LUFS; -∞ when all of it is silent.</summary>
    /// <param name="samples">Amplitudes, full scale is ±1.</param>
    /// <param name="sampleRate">Samples per second, positive.</param>
    public static double Measure(ReadOnlySpan<float> samples, int sampleRate)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sampleRate);
        var weighted = Weighted(samples, sampleRate);
        var block = Math.Min(weighted.Length, (int)Math.Round(Block * sampleRate));
        var hop = Math.Max(1, (int)Math.Round(Hop * sampleRate));
        List<double> powers = [];
        for (var start = 0; block > 0 && start + block <= weighted.Length; start += hop)
        {
            double sum = 0;
            foreach (var value in weighted.AsSpan(start, block))
            {
                sum += value * value;
            }

            powers.Add(sum / block);
        }

        powers.RemoveAll(power => Level(power) <= Silent);
        if (powers.Count == 0)
        {
            return double.NegativeInfinity;
        }

        var gate = Level(powers.Average()) - BelowRest;
        return Level(powers.Where(power => Level(power) > gate).Average());
    }

    /// <summary>A sound as loud as wanted, or as loud as it can be without being clipped; one that is silent stays as it is.</summary>
    /// <param name="samples">Amplitudes, full scale is ±1.</param>
    /// <param name="sampleRate">Samples per second, positive.</param>
    /// <param name="target">Loudness in LUFS.</param>
    public static float[] Bring(ReadOnlySpan<float> samples, int sampleRate, double target)
    {
        var loudness = Measure(samples, sampleRate);
        var brought = samples.ToArray();
        if (!double.IsFinite(loudness))
        {
            return brought;
        }

        var gain = Math.Min(Math.Pow(10, (target - loudness) / 20), 1.0 / brought.Max(sample => Math.Abs(sample)));
        return Array.ConvertAll(brought, sample => (float)(sample * gain));
    }

    private static double Level(double power) => Offset + (10 * Math.Log10(power));

    /// <summary>The K-weighting. The Recommendation gives its filters for 48 kHz; these are the analogue ones behind them, by the bilinear transform.</summary>
    private static double[] Weighted(ReadOnlySpan<float> samples, int sampleRate)
    {
        // A shelf of 4 dB above 1.7 kHz, for the head, ...
        const double shelfGain = 3.999843853973347, shelfQ = 0.7071752369554196;
        var k = Math.Tan(Math.PI * 1681.974450955533 / sampleRate);
        var (high, band) = (Math.Pow(10, shelfGain / 20), Math.Pow(10, shelfGain / 20 * 0.4996667741545416));
        var unit = 1 + (k / shelfQ) + (k * k);
        Section shelf = new(
            (high + (band * k / shelfQ) + (k * k)) / unit, 2 * ((k * k) - high) / unit, (high - (band * k / shelfQ) + (k * k)) / unit,
            2 * ((k * k) - 1) / unit, (1 - (k / shelfQ) + (k * k)) / unit);

        // ... and a high-pass at 38 Hz. The Recommendation leaves its zeros unscaled.
        const double passQ = 0.5003270373238773;
        k = Math.Tan(Math.PI * 38.13547087602444 / sampleRate);
        unit = 1 + (k / passQ) + (k * k);
        Section pass = new(1, -2, 1, 2 * ((k * k) - 1) / unit, (1 - (k / passQ) + (k * k)) / unit);

        var weighted = new double[samples.Length];
        for (var i = 0; i < weighted.Length; i++)
        {
            weighted[i] = pass.Next(shelf.Next(samples[i]));
        }

        return weighted;
    }

    /// <summary>A filter of second order, in transposed direct form II.</summary>
    private sealed class Section(double b0, double b1, double b2, double a1, double a2)
    {
        private double _first;
        private double _second;

        public double Next(double input)
        {
            var output = (b0 * input) + _first;
            _first = (b1 * input) - (a1 * output) + _second;
            _second = (b2 * input) - (a2 * output);
            return output;
        }
    }
}
