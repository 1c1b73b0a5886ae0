using FftSharp;

namespace LlasaNative.Onnx;

/// <summary>Log energies of mel bands, as Kaldi's <c>compute-fbank-feats</c> gives them without dither.</summary>
/// <remarks>
/// Frames of 25 ms every 10 ms that lie wholly within the sound, samples of 16 bits; mean taken out, pre-emphasis 0.97, Hamming window,
/// power spectrum of the next power of two; triangles in mel = 1127 ln(1 + f / 700) from 20 Hz to half the sample rate; natural logarithm,
/// at least that of the least step of float32 at 1. <b>Threads:</b> immutable, any thread.
/// </remarks>
internal sealed class LogMelBands
{
    private const double LowestFrequency = 20;
    private const double PreEmphasis = 0.97;
    private const double FullScale = 32_768;
    private static readonly double Least = Math.Log(1.1920928955078125e-07);

    private readonly int _length;
    private readonly int _shift;
    private readonly double[] _window;
    private readonly (int First, double[] Weights)[] _bands;

    /// <summary>Lays out window and bands.</summary>
    /// <param name="sampleRate">Samples per second.</param>
    /// <param name="bands">Number of bands.</param>
    public LogMelBands(int sampleRate, int bands)
    {
        (_length, _shift) = (sampleRate * 25 / 1000, sampleRate * 10 / 1000);
        _window = [.. Enumerable.Range(0, _length).Select(i => 0.54 - (0.46 * Math.Cos(2 * Math.PI * i / (_length - 1))))];
        Points = 1 << (int)Math.Ceiling(Math.Log2(_length));
        var (low, high) = (Mel(LowestFrequency), Mel(sampleRate / 2.0));
        var step = (high - low) / (bands + 1);
        double[] mels = [.. Enumerable.Range(0, Points / 2).Select(k => Mel((double)k * sampleRate / Points))];
        _bands = [.. Enumerable.Range(0, bands).Select(b => Triangle(mels, low + (b * step), step))];
    }

    /// <summary>Points of the spectrum.</summary>
    private int Points { get; }

    /// <summary>Frames of a sound.</summary>
    /// <param name="samples">Number of its samples.</param>
    public int Frames(int samples) => samples < _length ? 0 : 1 + ((samples - _length) / _shift);

    /// <summary>Computes the bands of every frame.</summary>
    /// <param name="sound">Mono samples, full scale is 1.</param>
    /// <returns>[frames, bands], each band's mean over the sound taken out, as models of speakers want it.</returns>
    public float[,] Compute(ReadOnlySpan<float> sound)
    {
        var frames = Frames(sound.Length);
        var values = new double[frames, _bands.Length];
        var frame = new double[Points];
        for (var f = 0; f < frames; f++)
        {
            Window(sound.Slice(f * _shift, _length), frame);
            var spectrum = FFT.ForwardReal(frame);
            for (var b = 0; b < _bands.Length; b++)
            {
                var (first, weights) = _bands[b];
                var energy = 0.0;
                for (var k = 0; k < weights.Length; k++)
                {
                    var bin = spectrum[first + k];
                    energy += weights[k] * ((bin.Real * bin.Real) + (bin.Imaginary * bin.Imaginary));
                }

                values[f, b] = energy > 0 ? Math.Max(Math.Log(energy), Least) : Least;
            }
        }

        var result = new float[frames, _bands.Length];
        for (var b = 0; b < _bands.Length; b++)
        {
            // Counted from the first, so that a band that stays as it is, as all do in silence, is 0 and not what rounding leaves of it.
            var mean = 0.0;
            for (var f = 0; f < frames; f++)
            {
                mean += (values[f, b] - values[0, b]) / frames;
            }

            for (var f = 0; f < frames; f++)
            {
                result[f, b] = (float)(values[f, b] - values[0, b] - mean);
            }
        }

        return result;
    }

    private static double Mel(double frequency) => 1127 * Math.Log(1 + (frequency / 700));

    private static (int First, double[] Weights) Triangle(double[] mels, double left, double step)
    {
        var first = Array.FindIndex(mels, m => m > left);
        var end = Array.FindIndex(mels, m => m >= left + (2 * step));
        end = end < 0 ? mels.Length : end;
        return first < 0 || first >= end ? (0, [])
            : (first, [.. mels[first..end].Select(m => m <= left + step ? (m - left) / step : (left + (2 * step) - m) / step)]);
    }

    private void Window(ReadOnlySpan<float> samples, Span<double> frame)
    {
        var mean = 0.0;
        foreach (var sample in samples)
        {
            mean += sample * FullScale / samples.Length;
        }

        var before = (samples[0] * FullScale) - mean;   // Kaldi's first sample has itself before it
        for (var i = 0; i < samples.Length; i++)
        {
            var value = (samples[i] * FullScale) - mean;
            frame[i] = (value - (PreEmphasis * before)) * _window[i];
            before = value;
        }

        frame[samples.Length..].Clear();
    }
}
