using System.Numerics;
using System.Runtime.InteropServices;

namespace LlasaNative.Audio;

/// <summary>The fundamental frequency of a voice, frame by frame.</summary>
/// <remarks>
/// <para>Candidates are the minima of YIN's cumulative-mean-normalised difference function (de Cheveigné and Kawahara, JASA
/// 111, 2002, steps 2 to 5); instead of YIN's first minimum below a threshold, the cheapest path through all frames is taken,
/// with costs for long periods, octave jumps and changes of voicing, as in Boersma (IFA Proceedings 17, 1993, section 4). That
/// is what guards against octave errors. Candidates are found at about 8 kHz below 2 kHz, the chosen ones refined in the sound
/// itself.</para>
/// <para><b>Threads:</b> one at a time; buffers are kept between calls.</para>
/// </remarks>
/// <example><code>float[] hertz = new PitchTracker().Track(audio.Samples.Span, audio.SampleRate);</code></example>
public sealed class PitchTracker
{
    private const double Integration = 0.025;   // seconds that are compared with themselves one period later
    private const int CoarseRate = 8000;
    private const double CutOff = 2000;   // four harmonics of the highest voice; and minima wide enough for the coarse lags
    private const int MaxCandidates = 6;
    private const double WorstCandidate = 0.7;   // minima of noise lie at about 0.7 and above: they are nobody's period

    private readonly PitchOptions _options;
    private readonly PitchPath _path;
    private float[] _coarse = [];
    private float[] _difference = [];

    /// <summary>Prepares a tracker.</summary>
    /// <param name="options">How it looks; null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public PitchTracker(PitchOptions? options = null)
    {
        _options = options ?? new PitchOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.Lowest, 20, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(_options.Highest, 1.5 * _options.Lowest, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.Hop, 0.001, nameof(options));
        _path = new PitchPath(_options);
    }

    /// <summary>Tracks a sound.</summary>
    /// <param name="samples">Amplitudes.</param>
    /// <param name="sampleRate">Samples per second, at least four times the highest frequency looked for.</param>
    /// <returns>Hz of each frame, 0 where unvoiced; frame i stands at (i + 0.5) hops. Empty when the sound is shorter than a hop.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The rate is too low.</exception>
    public float[] Track(ReadOnlySpan<float> samples, int sampleRate)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sampleRate, 4 * _options.Highest);
        var frames = (int)(samples.Length / (_options.Hop * sampleRate));
        if (frames == 0)
        {
            return [];
        }

        var factor = Math.Max(1, sampleRate / CoarseRate);
        var coarseRate = (double)sampleRate / factor;
        var coarse = Decimate(samples, factor, CutOff / sampleRate);
        var (window, longest) = ((int)(Integration * coarseRate), (int)Math.Ceiling(coarseRate / _options.Lowest) + 1);
        var shortest = Math.Max(2, (int)(coarseRate / _options.Highest));
        var levels = Levels(coarse, frames, coarseRate, window);
        var loudest = levels.Max();
        _path.Begin(frames);
        for (var frame = 0; frame < frames; frame++)
        {
            var silent = levels[frame] <= 0 || 10 * Math.Log10(levels[frame] / loudest) < -_options.SilenceBelow;
            if (!silent)
            {
                var at = Start(frame, coarseRate, window + longest, window + longest, coarse.Length);
                if (at >= 0)
                {
                    Normalise(coarse.Slice(at, window + longest), window, longest);
                    AddCandidates(shortest, longest, coarseRate);
                }
            }

            _path.EndFrame();
        }

        var hertz = _path.Solve();
        for (var frame = 0; frame < frames; frame++)
        {
            if (hertz[frame] > 0)
            {
                hertz[frame] = Refine(samples, frame, hertz[frame], sampleRate, factor);
            }
        }

        return hertz;
    }

    /// <summary>First sample of a frame's span, moved inside the sound at its ends; -1 when the sound is shorter than what is needed.</summary>
    private int Start(int frame, double rate, int span, int needed, int length)
    {
        var centre = (int)((frame + 0.5) * _options.Hop * rate);
        return length < needed ? -1 : Math.Clamp(centre - (span / 2), 0, length - needed);
    }

    /// <summary>Every factor-th sample of the sound behind a low pass: a Hann-windowed sinc over three lobes to each side.</summary>
    private ReadOnlySpan<float> Decimate(ReadOnlySpan<float> samples, int factor, double cutOff)
    {
        var reach = (int)Math.Ceiling(3 / (2 * cutOff));
        var taps = new float[(2 * reach) + 1];
        for (var k = -reach; k <= reach; k++)
        {
            var x = 2 * Math.PI * k * cutOff;
            taps[k + reach] = (float)(2 * cutOff * (k == 0 ? 1 : Math.Sin(x) / x) * (0.5 + (0.5 * Math.Cos(Math.PI * k / (reach + 1)))));
        }

        var count = samples.Length / factor;
        if (_coarse.Length < count)
        {
            _coarse = new float[count];
        }

        for (var n = 0; n < count; n++)
        {
            var first = (n * factor) - reach;
            var (from, to) = (Math.Max(0, -first), Math.Min(taps.Length, samples.Length - first));
            _coarse[n] = Dot(taps.AsSpan(from..to), samples.Slice(first + from, to - from));
        }

        return _coarse.AsSpan(0, count);
    }

    /// <summary>Mean square of each frame, over the window around it.</summary>
    private double[] Levels(ReadOnlySpan<float> samples, int frames, double rate, int window)
    {
        var levels = new double[frames];
        for (var frame = 0; frame < frames; frame++)
        {
            var centre = (int)((frame + 0.5) * _options.Hop * rate);
            var (from, to) = (Math.Clamp(centre - (window / 2), 0, samples.Length), Math.Clamp(centre + (window / 2), 0, samples.Length));
            levels[frame] = SoundLevel.MeanSquare(samples[from..to]);
        }

        return levels;
    }

    /// <summary>d'(lag) = d(lag) · lag / Σ d(1..lag), with d(lag) the squared difference of the window and itself lag later.</summary>
    private void Normalise(ReadOnlySpan<float> span, int window, int longest)
    {
        if (_difference.Length <= longest)
        {
            _difference = new float[longest + 1];
        }

        _difference[0] = 1;
        var here = span[..window];
        var lag = 1;
        for (; lag + 3 <= longest; lag += 4)
        {
            SquaredDifferences(here, span[lag..], _difference.AsSpan(lag, 4));
        }

        for (; lag <= longest; lag++)
        {
            _difference[lag] = SquaredDifference(here, span.Slice(lag, window));
        }

        double sum = 0;
        for (lag = 1; lag <= longest; lag++)
        {
            sum += _difference[lag];
            _difference[lag] = sum > 0 ? (float)(_difference[lag] * lag / sum) : 1;
        }
    }

    /// <summary>Of a window and itself 0, 1, 2 and 3 samples later than b: the sums of <see cref="SquaredDifference"/>, side by side.</summary>
    private static void SquaredDifferences(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> sums)
    {
        var wide = MemoryMarshal.Cast<float, Vector<float>>(a);
        var b0 = MemoryMarshal.Cast<float, Vector<float>>(b[..a.Length]);
        var b1 = MemoryMarshal.Cast<float, Vector<float>>(b.Slice(1, a.Length));
        var b2 = MemoryMarshal.Cast<float, Vector<float>>(b.Slice(2, a.Length));
        var b3 = MemoryMarshal.Cast<float, Vector<float>>(b.Slice(3, a.Length));
        var (sum0, sum1, sum2, sum3) = (Vector<float>.Zero, Vector<float>.Zero, Vector<float>.Zero, Vector<float>.Zero);
        for (var i = 0; i < wide.Length; i++)
        {
            var (d0, d1, d2, d3) = (wide[i] - b0[i], wide[i] - b1[i], wide[i] - b2[i], wide[i] - b3[i]);
            sum0 += d0 * d0;
            sum1 += d1 * d1;
            sum2 += d2 * d2;
            sum3 += d3 * d3;
        }

        (sums[0], sums[1], sums[2], sums[3]) = (Vector.Sum(sum0), Vector.Sum(sum1), Vector.Sum(sum2), Vector.Sum(sum3));
        for (var i = wide.Length * Vector<float>.Count; i < a.Length; i++)
        {
            for (var lag = 0; lag < 4; lag++)
            {
                sums[lag] += (a[i] - b[i + lag]) * (a[i] - b[i + lag]);
            }
        }
    }

    private static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        var wideA = MemoryMarshal.Cast<float, Vector<float>>(a);
        var wideB = MemoryMarshal.Cast<float, Vector<float>>(b);
        var sum = Vector<float>.Zero;
        for (var i = 0; i < wideA.Length; i++)
        {
            sum += wideA[i] * wideB[i];
        }

        var total = Vector.Sum(sum);
        for (var i = wideA.Length * Vector<float>.Count; i < a.Length; i++)
        {
            total += a[i] * b[i];
        }

        return total;
    }

    private static float SquaredDifference(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        var wideA = MemoryMarshal.Cast<float, Vector<float>>(a);
        var wideB = MemoryMarshal.Cast<float, Vector<float>>(b);
        var sum = Vector<float>.Zero;
        for (var i = 0; i < wideA.Length; i++)
        {
            var d = wideA[i] - wideB[i];
            sum += d * d;
        }

        var total = Vector.Sum(sum);
        for (var i = wideA.Length * Vector<float>.Count; i < a.Length; i++)
        {
            total += (a[i] - b[i]) * (a[i] - b[i]);
        }

        return total;
    }

    private void AddCandidates(int shortest, int longest, double rate)
    {
        Span<(double Cost, double Lag)> best = stackalloc (double, double)[MaxCandidates];
        var count = 0;
        for (var lag = shortest; lag < longest; lag++)
        {
            var (before, here, after) = (_difference[lag - 1], _difference[lag], _difference[lag + 1]);
            if (here > before || here >= after || here >= WorstCandidate)
            {
                continue;
            }

            var (shift, value) = Parabola(before, here, after);
            var cost = value + (_options.OctaveCost * Math.Log2((lag + shift) / shortest));
            if (count < MaxCandidates)
            {
                best[count++] = (cost, lag + shift);
            }
            else if (Worst(best) is var worst && cost < best[worst].Cost)
            {
                best[worst] = (cost, lag + shift);
            }
        }

        foreach (var (cost, lag) in best[..count])
        {
            _path.Add(rate / lag, cost);
        }
    }

    private static int Worst(ReadOnlySpan<(double Cost, double Lag)> candidates)
    {
        var worst = 0;
        for (var i = 1; i < candidates.Length; i++)
        {
            worst = candidates[i].Cost > candidates[worst].Cost ? i : worst;
        }

        return worst;
    }

    /// <summary>Where between -0.5 and 0.5 the parabola through three points is lowest, and how low, at least 0.</summary>
    private static (double Shift, double Value) Parabola(double before, double here, double after)
    {
        var curvature = before - (2 * here) + after;
        var shift = curvature > 0 ? Math.Clamp(0.5 * (before - after) / curvature, -0.5, 0.5) : 0;
        return (shift, Math.Max(0, here - (0.25 * (before - after) * shift)));
    }

    /// <summary>
    /// The same minimum in the sound itself: the plain difference function around the lag that was found, of a window and its
    /// repetition that lie evenly around the middle of the frame. (The coarse windows begin together, whatever the lag.)
    /// </summary>
    private float Refine(ReadOnlySpan<float> samples, int frame, float hertz, int rate, int factor)
    {
        var (window, middle) = ((int)(Integration * rate), (int)Math.Round(rate / hertz));
        var reach = factor + (middle / 32);   // 3 %: F0 moves between the two middles
        var (first, count) = (Math.Max(1, middle - reach), (2 * reach) + 1);
        var at = Start(frame, rate, window + middle, window + first + count, samples.Length);
        if (at < 0)
        {
            return hertz;
        }

        Span<double> values = stackalloc double[count];
        var lowest = 0;
        for (var i = 0; i < count; i++)
        {
            values[i] = SquaredDifference(samples.Slice(at, window), samples.Slice(at + first + i, window));
            lowest = values[i] < values[lowest] ? i : lowest;
        }

        return lowest > 0 && lowest < count - 1
            ? (float)(rate / (first + lowest + Parabola(values[lowest - 1], values[lowest], values[lowest + 1]).Shift))
            : hertz;
    }
}
