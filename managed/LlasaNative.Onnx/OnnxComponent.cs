#pragma warning disable CS1591   // what [Option] says of a property is its documentation
using System.IO.Hashing;
using System.Runtime.InteropServices;
using LlasaNative.Audio;
using LlasaNative.Configuration;
using LlasaNative.Rewards;
using Microsoft.ML.OnnxRuntime;

namespace LlasaNative.Onnx;

/// <summary>A part of the reward that a model in an ONNX file gives: how natural a sound is, or how like the voice it is to be said in.</summary>
/// <remarks>
/// A model that gives one number judges by it. One that gives an embedding is asked for the sound's and for its voice prompt's, and the
/// cosine between them is the score. Either is mapped linearly so that <see cref="Low"/> becomes 0 and <see cref="High"/> 1.
/// <b>Threads:</b> one at a time.
/// </remarks>
public class OnnxComponent : IRewardComponent
{
    private const int MostVoices = 64;
    private const int ShortestShare = 10;   // of a second: what is shorter has silence behind it
    private const double SumsApart = 1.0 / (1 << 10);

    private readonly Dictionary<(int, ulong), float[]> _voices = [];
    private LogMelBands? _bands;
    private bool? _together;

    /// <inheritdoc/>
    public string Name => Called.Length > 0 ? Called : Path.GetFileNameWithoutExtension(Model);

    [Option("The ONNX file.", IsPath = true)]
    public string Model { get; set; } = "";

    [Option("What the part is called in metrics and samples; empty: as the file.")]
    public string Called { get; set; } = "";

    [Option("Name of the model's input; empty: the only one.")]
    public string Input { get; set; } = "";

    [Option("Name of an input that takes each sound's length, in samples or frames: sounds of different lengths are then padded and run at once; empty: there is none.")]
    public string Lengths { get; set; } = "";

    [Option("Name of the model's output; empty: the first.")]
    public string Output { get; set; } = "";

    [Option("Sample rate of the sounds that the model knows.", AtLeast = 8000, AtMost = 48_000, Unit = "Hz")]
    public int SampleRate { get; set; } = 16_000;

    [Option("Most sounds in one run of the model, where it takes several: those of one length, or with `lengths` any.", AtLeast = 1, AtMost = 1024)]
    public int Batch { get; set; } = 16;

    /// <inheritdoc/>
    public int MostAtOnce => Batch;

    [Option("What the model is given: samples, or log mel bands as Kaldi's, each band's mean taken out.")]
    public OnnxFeatures Features { get; set; }

    [Option("Number of mel bands.", AtLeast = 1, AtMost = 512)]
    public int Bands { get; set; } = 80;

    [Option("Whether the output is an embedding, to be compared with that of the voice prompt.")]
    public bool Similarity { get; set; }

    [Option("Which value of the output counts, from 0, where it has several and is no embedding.", AtLeast = 0)]
    public int Index { get; set; }

    [Option("Output that is worth 0: 1 for a mean opinion score.")]
    public double Low { get; set; }

    [Option("Output that is worth 1: 5 for a mean opinion score.")]
    public double High { get; set; } = 1;

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (Model.Length == 0)
        {
            return ["`onnx`: `model` names no file"];
        }

        if (!(High > Low))
        {
            return [FormattableString.Invariant($"`onnx`: `low` is {Low} and `high` {High}, expected low < high")];
        }

        try
        {
            Shape(OnnxModel.Load(Model, Input, Lengths, Output), 1, 1);
            return [];
        }
        catch (UsageException e)
        {
            return ["`onnx`: " + e.Message];
        }
    }

    /// <inheritdoc/>
    public double Score(RewardInput input) => Score([input])[0];

    /// <inheritdoc/>
    public IReadOnlyList<double> Score(IReadOnlyList<RewardInput> inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        var model = OnnxModel.Load(Model, Input, Lengths, Output);
        var outputs = Run(model, [.. inputs.Select(i => Resampled(i.Sample.Sound ?? throw new InvalidOperationException("the sound of the sample is not there"), i.Sample.SampleRate))]);
        double[] judged = Similarity ? [.. outputs.Zip(VoicesOf(model, inputs), Cosine)]
            : Index < outputs[0].Length ? [.. outputs.Select(o => (double)o[Index])]
            : throw new InvalidOperationException($"`{model.Output}` of {Model} has {outputs[0].Length} values, `index` is {Index}");
        return [.. judged.Select(value => (value - Low) / (High - Low))];
    }

    private double Cosine(float[] a, float[] b)
    {
        if (a.Length != b.Length)
        {
            throw new InvalidOperationException($"the output of {Model} has {a.Length} values for a sound and {b.Length} for its voice: no embedding, which has as many for each");
        }

        var norms = Product(a, a) * Product(b, b);
        return norms == 0 ? 0 : Product(a, b) / Math.Sqrt(norms);   // silence may be nothing to a model: it is like no voice
    }

    private static double Product(float[] a, float[] b) => a.Zip(b, (x, y) => (double)x * y).Sum();

    // A voice comes with each of its samples; its embedding is computed once.
    private float[][] VoicesOf(OnnxModel model, IReadOnlyList<RewardInput> inputs)
    {
        (ReadOnlyMemory<float> Sound, int SampleRate, (int, ulong) Key)[] voices = [.. inputs.Select(i =>
        {
            var sound = i.Sample.VoiceSound ?? throw new InvalidOperationException("the sample has no voice prompt to be compared with; data.voices, or a column `voice`, gives texts theirs");
            return (sound, i.Sample.SampleRate, (sound.Length, XxHash3.HashToUInt64(MemoryMarshal.AsBytes(sound.Span))));
        })];
        if (_voices.Count >= MostVoices)
        {
            _voices.Clear();
        }

        var unknown = voices.DistinctBy(v => v.Key).Where(v => !_voices.ContainsKey(v.Key)).ToArray();
        foreach (var (voice, embedding) in unknown.Zip(Run(model, [.. unknown.Select(v => Resampled(v.Sound, v.SampleRate))])))
        {
            _voices[voice.Key] = embedding;
        }

        return [.. voices.Select(v => _voices[v.Key])];
    }

    private float[] Resampled(ReadOnlyMemory<float> sound, int sampleRate) => sound.Length == 0 ? new float[1]   // silence, which a sample that said nothing is
        : sampleRate == SampleRate ? sound.ToArray() : Resampler.Resample(sound.Span, sampleRate, SampleRate);

    /// <summary>The model's output for each sound; of one that takes sounds of one length alone, the mean over windows that start a second apart.</summary>
    private float[][] Run(OnnxModel model, float[][] sounds)
    {
        var clips = sounds.SelectMany((sound, i) => Windows(model, sound).Select(window => (Sound: i, Clip: Prepared(model, window)))).OrderBy(c => c.Clip.Length).ToArray();
        var together = clips.Length > 1 && (_together ??= TakesSeveral(model));
        List<float[]>[] outputs = [.. sounds.Select(_ => new List<float[]>())];
        for (int first = 0, count; first < clips.Length; first += count)
        {
            count = together ? clips.Skip(first).Take(Batch).TakeWhile(c => Lengths.Length > 0 || c.Clip.Length == clips[first].Clip.Length).Count() : 1;
            var run = clips.AsSpan(first, count).ToArray();
            foreach (var (clip, output) in run.Zip(RunAtOnce(model, [.. run.Select(c => c.Clip)])!))
            {
                outputs[clip.Sound].Add(output);
            }
        }

        return [.. outputs.Select(of => Enumerable.Range(0, of[0].Length).Select(i => (float)of.Average(o => o[i])).ToArray())];
    }

    // Some models say that they take a batch and then mix its sounds, or fail: two that are nothing alike tell, always the same two, so that
    // the answer depends on the model alone. Sums in another order differ by less, even of a model that computes with 11 bits.
    private bool TakesSeveral(OnnxModel model)
    {
        if (Batch == 1 || !model.HasBatches || model.Dimensions.Count <= (Features == OnnxFeatures.Waveform ? 1 : 2))
        {
            return false;
        }

        Clip[] clips = [Noise(0.5, SampleRate * 5 / 4), Noise(0.02, Lengths.Length > 0 ? SampleRate : SampleRate * 5 / 4)];
        try
        {
            return RunAtOnce(model, clips) is { } rows && clips.Zip(rows).All(of =>
            {
                var alone = RunAtOnce(model, [of.First])![0];
                return alone.Zip(of.Second, (a, b) => Math.Abs(a - b)).Max() <= SumsApart * alone.Max(Math.Abs);
            });
        }
        catch (OnnxRuntimeException)
        {
            return false;
        }

        Clip Noise(double amplitude, int samples)
        {
            Random random = new(samples);
            return Prepared(model, Windows(model, [.. Enumerable.Range(0, samples).Select(_ => (float)(amplitude * ((2 * random.NextDouble()) - 1)))]).First());
        }
    }

    private float[][]? RunAtOnce(OnnxModel model, Clip[] clips)
    {
        var longest = clips.Max(c => c.Length);
        var channels = Features == OnnxFeatures.Waveform ? 1 : Bands;
        var values = new float[clips.Length * longest * channels];
        for (var i = 0; i < clips.Length; i++)
        {
            // Of rows of bands each is padded at its end, of rows of frames the last.
            var (rows, length) = BandsFirst(model) ? (channels, clips[i].Length) : (1, clips[i].Values.Length);
            for (var row = 0; row < rows; row++)
            {
                clips[i].Values.AsSpan(row * length, length).CopyTo(values.AsSpan(((i * rows) + row) * longest * channels / rows));
            }
        }

        return model.Run(values, Shape(model, clips.Length, longest), [.. clips.Select(c => (long)c.Length)]);
    }

    private IEnumerable<float[]> Windows(OnnxModel model, float[] samples)
    {
        var length = Features == OnnxFeatures.Waveform ? model.Dimensions[^1] : FixedFrames(model);
        if (length < 0)
        {
            // A sample may be a code long, or silent: models have filters that need more than that.
            Array.Resize(ref samples, Math.Max(samples.Length, SampleRate / ShortestShare));
            return [samples];
        }

        // As DNSMOS does it: a short sound is repeated.
        var window = Features == OnnxFeatures.Waveform ? length : ((length - 1) * (SampleRate / 100)) + (SampleRate * 25 / 1000);
        float[] filled = [.. Enumerable.Range(0, Math.Max(window, samples.Length)).Select(i => samples[i % samples.Length])];
        return Enumerable.Range(0, ((filled.Length - window) / SampleRate) + 1).Select(i => filled.AsSpan(i * SampleRate, window).ToArray());
    }

    private Clip Prepared(OnnxModel model, float[] samples)
    {
        if (Features == OnnxFeatures.Waveform)
        {
            return new(samples, samples.Length);
        }

        _bands ??= new LogMelBands(SampleRate, Bands);
        float[] padded = new float[Math.Max(SampleRate * 25 / 1000, samples.Length)];   // a frame at least
        samples.CopyTo(padded, 0);
        var values = _bands.Compute(padded);
        var frames = values.GetLength(0);
        var flat = new float[frames * Bands];
        for (var f = 0; f < frames; f++)
        {
            for (var b = 0; b < Bands; b++)
            {
                flat[BandsFirst(model) ? (b * frames) + f : (f * Bands) + b] = values[f, b];
            }
        }

        return new(flat, frames);
    }

    // [batch, frames, bands] unless only the other order fits.
    private bool BandsFirst(OnnxModel model) => Features == OnnxFeatures.LogMel && model.Dimensions[^1] != Bands && model.Dimensions[^2] == Bands;

    private int FixedFrames(OnnxModel model) => BandsFirst(model) ? model.Dimensions[^1] : model.Dimensions[^2];

    private int[] Shape(OnnxModel model, int count, int length)
    {
        var there = model.Dimensions;
        var waveform = Features == OnnxFeatures.Waveform;
        var fits = waveform
            ? there.Count is >= 1 and <= 3 && there.Take(there.Count - 1).All(n => n is -1 or 1) && (there[^1] < 0 || there[^1] >= SampleRate / ShortestShare)   // else features
            : there.Count is 2 or 3 or 4 && there.Take(there.Count - 2).All(n => n is -1 or 1) && (there[^1] == Bands || there[^2] == Bands || (there[^1] < 0 && there[^2] < 0));
        if (!fits)
        {
            throw new UsageException(
                $"{Model}: `{model.Input}` is [{string.Join(", ", there.Select(n => n < 0 ? "any" : $"{n}"))}], expected "
                + (waveform ? "[samples], [1, samples] or [1, 1, samples] of a tenth of a second at least" : $"[1, frames, {Bands}] or [1, {Bands}, frames]"));
        }

        int[] tail = waveform ? [length] : BandsFirst(model) ? [Bands, length] : [length, Bands];
        return there.Count == tail.Length ? tail : [count, .. Enumerable.Repeat(1, there.Count - tail.Length - 1), .. tail];
    }

    /// <summary>What the model is given of a sound: [samples], [frames, bands] or [bands, frames], and how many samples or frames.</summary>
    private readonly record struct Clip(float[] Values, int Length);
}
