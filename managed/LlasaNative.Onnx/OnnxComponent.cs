using System.IO.Hashing;
using System.Runtime.InteropServices;
using LlasaNative.Audio;
using LlasaNative.Configuration;
using LlasaNative.Rewards;

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

    private readonly Dictionary<(int, ulong), float[]> _voices = [];
    private LogMelBands? _bands;

    /// <inheritdoc/>
    public string Name => Called.Length > 0 ? Called : Path.GetFileNameWithoutExtension(Model);

    /// <summary>The ONNX file.</summary>
    [Option("The ONNX file.", IsPath = true)]
    public string Model { get; set; } = "";

    /// <summary>What the part is called.</summary>
    [Option("What the part is called in metrics and samples; empty: as the file.")]
    public string Called { get; set; } = "";

    /// <summary>Name of the model's input.</summary>
    [Option("Name of the model's input; empty: the only one.")]
    public string Input { get; set; } = "";

    /// <summary>Name of the model's output.</summary>
    [Option("Name of the model's output; empty: the first.")]
    public string Output { get; set; } = "";

    /// <summary>Sample rate of the sounds the model knows.</summary>
    [Option("Sample rate of the sounds that the model knows.", AtLeast = 8000, AtMost = 48_000, Unit = "Hz")]
    public int SampleRate { get; set; } = 16_000;

    /// <summary>What the model is given.</summary>
    [Option("What the model is given: samples, or log mel bands as Kaldi's, each band's mean taken out.")]
    public OnnxFeatures Features { get; set; }

    /// <summary>Number of mel bands.</summary>
    [Option("Number of mel bands.", AtLeast = 1, AtMost = 512)]
    public int Bands { get; set; } = 80;

    /// <summary>Whether the output is an embedding.</summary>
    [Option("Whether the output is an embedding, to be compared with that of the voice prompt.")]
    public bool Similarity { get; set; }

    /// <summary>Which value of the output counts.</summary>
    [Option("Which value of the output counts, from 0, where it has several and is no embedding.", AtLeast = 0)]
    public int Index { get; set; }

    /// <summary>Output that is worth nothing.</summary>
    [Option("Output that is worth 0: 1 for a mean opinion score.")]
    public double Low { get; set; }

    /// <summary>Output that is worth 1.</summary>
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
            Shape(OnnxModel.Load(Model, Input, Output), 1);
            return [];
        }
        catch (UsageException e)
        {
            return ["`onnx`: " + e.Message];
        }
    }

    /// <inheritdoc/>
    public double Score(RewardInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var sample = input.Sample;
        var sound = sample.Sound ?? throw new InvalidOperationException("the sound of the sample is not there");
        var model = OnnxModel.Load(Model, Input, Output);
        return (Judge() - Low) / (High - Low);

        double Judge()
        {
            if (Similarity)
            {
                var voice = sample.VoiceSound ?? throw new InvalidOperationException("the sample has no voice prompt to be compared with; data.voices, or a column `voice`, gives texts theirs");
                return Cosine(Run(model, sound.Span, sample.SampleRate), VoiceOf(model, voice.Span, sample.SampleRate));
            }

            var output = Run(model, sound.Span, sample.SampleRate);
            return Index < output.Length ? output[Index]
                : throw new InvalidOperationException($"`{model.Output}` of {Model} has {output.Length} values, `index` is {Index}");
        }
    }

    private static double Cosine(float[] a, float[] b)
    {
        double product = 0, ofA = 0, ofB = 0;
        for (var i = 0; i < a.Length; i++)
        {
            product += (double)a[i] * b[i];
            ofA += (double)a[i] * a[i];
            ofB += (double)b[i] * b[i];
        }

        return product / Math.Sqrt(ofA * ofB);
    }

    private float[] VoiceOf(OnnxModel model, ReadOnlySpan<float> voice, int sampleRate)
    {
        // A voice comes with each of its samples; its embedding is computed once.
        var key = (voice.Length, XxHash3.HashToUInt64(MemoryMarshal.AsBytes(voice)));
        if (!_voices.TryGetValue(key, out var embedding))
        {
            if (_voices.Count >= MostVoices)
            {
                _voices.Clear();
            }

            _voices[key] = embedding = Run(model, voice, sampleRate);
        }

        return embedding;
    }

    /// <summary>The model's output for a sound; of one that takes sounds of one length alone, the mean over windows that start a second apart.</summary>
    private float[] Run(OnnxModel model, ReadOnlySpan<float> sound, int sampleRate)
    {
        float[] samples = sampleRate == SampleRate ? sound.ToArray() : Resampler.Resample(sound, sampleRate, SampleRate);
        if (samples.Length == 0)
        {
            samples = new float[1];   // silence, which a sample that said nothing is
        }

        var (length, unit) = Features == OnnxFeatures.Waveform ? (model.Dimensions[^1], 1) : (FixedFrames(model), SampleRate / 100);
        if (length < 0)
        {
            return RunWhole(model, samples);
        }

        // As DNSMOS does it: a short sound is repeated.
        var window = Features == OnnxFeatures.Waveform ? length : ((length - 1) * unit) + (SampleRate * 25 / 1000);
        float[] filled = [.. Enumerable.Range(0, Math.Max(window, samples.Length)).Select(i => samples[i % samples.Length])];
        List<float[]> outputs = [];
        for (var first = 0; first + window <= filled.Length; first += SampleRate)
        {
            outputs.Add(RunWhole(model, filled.AsSpan(first, window)));
        }

        return [.. Enumerable.Range(0, outputs[0].Length).Select(i => (float)outputs.Average(o => o[i]))];
    }

    private float[] RunWhole(OnnxModel model, ReadOnlySpan<float> samples)
    {
        if (Features == OnnxFeatures.Waveform)
        {
            return model.Run(samples.ToArray(), Shape(model, samples.Length));
        }

        _bands ??= new LogMelBands(SampleRate, Bands);
        var least = SampleRate * 25 / 1000;
        float[] padded = new float[Math.Max(least, samples.Length)];   // a frame at least
        samples.CopyTo(padded);
        var values = _bands.Compute(padded);
        var frames = values.GetLength(0);
        var shape = Shape(model, frames);
        var flat = new float[frames * Bands];
        for (var f = 0; f < frames; f++)
        {
            for (var b = 0; b < Bands; b++)
            {
                flat[BandsFirst(model) ? (b * frames) + f : (f * Bands) + b] = values[f, b];
            }
        }

        return model.Run(flat, shape);
    }

    // [batch, frames, bands] unless only the other order fits.
    private bool BandsFirst(OnnxModel model) => model.Dimensions[^1] != Bands && model.Dimensions[^2] == Bands;

    private int FixedFrames(OnnxModel model) => BandsFirst(model) ? model.Dimensions[^1] : model.Dimensions[^2];

    private int[] Shape(OnnxModel model, int length)
    {
        var there = model.Dimensions;
        var waveform = Features == OnnxFeatures.Waveform;
        var fits = waveform
            ? there.Count is >= 1 and <= 3 && there.Take(there.Count - 1).All(n => n is -1 or 1) && (there[^1] < 0 || there[^1] >= SampleRate / 10)   // else features
            : there.Count is 2 or 3 or 4 && there.Take(there.Count - 2).All(n => n is -1 or 1) && (there[^1] == Bands || there[^2] == Bands || (there[^1] < 0 && there[^2] < 0));
        if (!fits)
        {
            throw new UsageException(
                $"{Model}: `{model.Input}` is [{string.Join(", ", there.Select(n => n < 0 ? "any" : $"{n}"))}], expected "
                + (waveform ? "[samples], [1, samples] or [1, 1, samples] of a tenth of a second at least" : $"[1, frames, {Bands}] or [1, {Bands}, frames]"));
        }

        int[] tail = waveform ? [length] : BandsFirst(model) ? [Bands, length] : [length, Bands];
        return [.. Enumerable.Repeat(1, there.Count - tail.Length), .. tail];
    }
}
