namespace LlasaNative.Audio;

/// <summary>Changes the sample rate of sound that comes in parts; gives what <see cref="Resampler"/> gives of the whole.</summary>
/// <remarks><b>Threads:</b> one at a time.</remarks>
/// <param name="sourceRate">Samples per second that come, positive.</param>
/// <param name="targetRate">Samples per second wanted, positive.</param>
public sealed class StreamingResampler(int sourceRate, int targetRate)
{
    private readonly List<float> _kept = [];
    private readonly (int Up, int Down) _ratio = Resampler.Ratio(sourceRate, targetRate);

    // Samples that an output sample sees to each side, rounded up to where both rates meet.
    private readonly int _reach = Resampler.Reach(sourceRate, targetRate);
    private int _given;   // of the output that begins where _kept begins

    /// <summary>Adds sound.</summary>
    /// <param name="samples">What comes next.</param>
    /// <returns>All of the output that no later sound can change.</returns>
    public float[] Resample(ReadOnlySpan<float> samples)
    {
        if (sourceRate == targetRate)
        {
            return samples.ToArray();
        }

        _kept.AddRange(samples);
        var known = (int)((long)Math.Max(0, _kept.Count - _reach) * _ratio.Up / _ratio.Down);
        return known <= _given ? [] : Give(known);
    }

    /// <summary>The rest, with silence behind it.</summary>
    public float[] Finish() => sourceRate == targetRate ? [] : Give(int.MaxValue);

    private float[] Give(int until)
    {
        var all = Resampler.Resample([.. _kept], sourceRate, targetRate);
        var given = all[Math.Min(_given, all.Length)..Math.Min(until, all.Length)];
        _given += given.Length;

        // What the next samples still see is kept, from a place where a sample of one rate falls on one of the other.
        var periods = Math.Max(0, (((long)_given * _ratio.Down / _ratio.Up) - _reach) / _ratio.Down);
        _kept.RemoveRange(0, (int)periods * _ratio.Down);
        _given -= (int)periods * _ratio.Up;
        return given;
    }
}
