using System.Runtime.InteropServices;

namespace LlasaNative.Interop.Tests;

[TestFixture]
public sealed class WhisperTests : LeakCheckedTests
{
    private const int VocabSize = 24;
    private const int Eot = 20;

    [Test]
    public void Score_OfClips_GivesTranscriptsAndLikelihoods()
    {
        using var whisper = Create();
        var result = whisper.Score([0, 1600, 1600], Tone(1600), Request());
        Assert.Multiple(() =>
        {
            Assert.That(result.Count, Is.EqualTo(2));
            Assert.That(result.Tokens(0).Length, Is.LessThanOrEqualTo(5));
            Assert.That(result.MeanNlls.ToArray(), Is.All.Positive);
            Assert.That(result.Languages.ToArray(), Is.All.EqualTo(-1));
        });
    }

    [Test]
    public void ScoreCodes_IsVocodeFollowedByScore()
    {
        using var whisper = Create();
        using var codec = TinyCodec.Create();
        int[] codes = [.. Enumerable.Range(0, 200).Select(i => i % 16)];
        var waveforms = new float[200 * codec.SamplesPerCode];
        var fused = whisper.ScoreCodes(codec, [0, 120, 200], codes, Request(), waveforms);
        var apart = whisper.Score([0, 120 * codec.SamplesPerCode, waveforms.Length], waveforms, Request());
        Assert.Multiple(() =>
        {
            Assert.That(waveforms[..(120 * codec.SamplesPerCode)], Is.EqualTo(codec.Vocode(codes.AsSpan(0, 120))));
            Assert.That(fused.Tokens(1).ToArray(), Is.EqualTo(apart.Tokens(1).ToArray()));
            Assert.That(fused.MeanNlls.ToArray(), Is.EqualTo(apart.MeanNlls.ToArray()));
            Assert.That(fused.CodecSeconds, Is.Positive);
            Assert.That(apart.CodecSeconds, Is.Zero);
        });
    }

    [Test]
    public void Checks_LogMelEncodeAndLogits_HaveTheShapesOfTheConfig()
    {
        using var whisper = Create();
        var features = whisper.LogMel(Tone(1600));
        var states = whisper.Encode(features, 1);
        var logits = whisper.Logits(states, [21, 22, 23]);
        Assert.Multiple(() =>
        {
            Assert.That(features, Has.Length.EqualTo(80 * whisper.WindowFrames));
            Assert.That(states, Has.Length.EqualTo(20 * 16));
            Assert.That(logits, Has.Length.EqualTo(3 * VocabSize));
        });
    }

    [Test]
    public void Score_WithShortArrays_IsRefusedBeforeTheCall()
    {
        using var whisper = Create();
        Assert.Multiple(() =>
        {
            Assert.That(() => whisper.Score([0, 1601], Tone(1600), Request()), Throws.ArgumentException);
            Assert.That(() => whisper.Score([], Tone(1600), Request()), Throws.ArgumentException);
            Assert.That(() => whisper.Score([0, 1600, 1600, 1600], Tone(1600), Request()),
                Throws.ArgumentException.With.Message.Contains("TargetOffsets"));
        });
    }

    private static NativeWhisperRequest Request() => new()
    {
        MaxNewTokens = 5,
        PromptIds = new[] { 21, 22 },
        SuppressIds = new[] { 3 },
        TargetOffsets = new long[] { 0, 4, 8 },
        TargetIds = new[] { 21, 1, 2, Eot, 21, 4, 5, Eot },
        TargetFirst = new[] { 1, 1 },
    };

    private static float[] Tone(int samples) => [.. Enumerable.Range(0, samples).Select(i => 0.3f * MathF.Sin(i * 0.2f))];

    private static NativeWhisper Create()
    {
        var options = NativeWhisperOptions.CreateDefault();
        options.VocabSize = VocabSize;
        options.NumMelBins = 80;
        options.DModel = 16;
        options.EncoderLayers = 1;
        options.EncoderHeads = 2;
        options.EncoderFfnDim = 24;
        options.DecoderLayers = 1;
        options.DecoderHeads = 2;
        options.DecoderFfnDim = 24;
        options.MaxSourcePositions = 20;
        options.MaxTargetPositions = 16;
        options.EotToken = Eot;
        var whisper = new NativeWhisper(options);
        var random = new Random(5);
        foreach (var tensor in whisper.GetTensors())
        {
            var values = Enumerable.Range(0, (int)tensor.Count).Select(_ => 0.4f * (random.NextSingle() - 0.5f)).ToArray();
            whisper.SetTensor(tensor.Name, NativeDType.F32, [.. tensor.Shape], MemoryMarshal.AsBytes(values.AsSpan()));
        }

        return whisper;
    }
}
