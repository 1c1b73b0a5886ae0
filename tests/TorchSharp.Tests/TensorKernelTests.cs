using LlasaNative.Interop;
using LlasaNative.Models;
using LlasaNative.Tests.Support;
using LlasaNative.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace LlasaNative.Torch.Tests;

/// <summary>The three native kernels on tensors give what they give on arrays, on the tensors' own memory.</summary>
[TestFixture]
public sealed class TensorKernelTests
{
    private const int Rows = 5;
    private const int Vocabulary = 33;

    private static NativeSamplingOptions Sampling
    {
        get
        {
            var options = NativeSamplingOptions.CreateDefault();
            (options.Temperature, options.TopP, options.RepetitionPenalty, options.Seed) = (0.7f, 0.9f, 1.3f, 11);
            return options;
        }
    }

    [Test]
    public void Sample_OfATensor_DrawsWhatTheKernelDrawsOfAnArray()
    {
        var logits = Floats(Rows * Vocabulary, 3);
        long[] offsets = [0, 2, 2, 3, 4, 6];
        int[] history = [1, 2, 3, 4, 5, 6];
        var (ids, logProbs) = (new int[Rows], new float[Rows]);
        NativeKernels.Sample(Sampling, logits, Vocabulary, [4, 5, 6, 7, 8], [9, 8, 7, 6, 5], ids, logProbs, offsets, history);
        using var all = tensor(logits).view(Rows, Vocabulary);
        var (gotIds, gotLogProbs) = FusedSampling.Sample(all, Sampling, tensor(new long[] { 4, 5, 6, 7, 8 }), tensor(new long[] { 9, 8, 7, 6, 5 }), tensor(offsets), tensor(history));
        Assert.Multiple(() =>
        {
            Assert.That(gotIds.data<int>().ToArray(), Is.EqualTo(ids));
            Assert.That(gotLogProbs.data<float>().ToArray(), Is.EqualTo(logProbs));
            Assert.That(all.data<float>().ToArray(), Is.EqualTo(logits), "what is drawn from stays");
        });
    }

    [Test]
    public void Sample_OfAPartOfATensor_ReadsThatPart()
    {
        using var all = tensor(Floats(2 * Rows * Vocabulary, 3)).view(2 * Rows, Vocabulary);
        using var part = all.narrow(0, Rows, Rows);
        var (keys, places) = (arange(Rows, dtype: ScalarType.Int64), zeros(Rows, dtype: ScalarType.Int64));
        var (ids, _) = FusedSampling.Sample(part, Sampling, keys, places);
        var (expected, _) = FusedSampling.Sample(part.clone(), Sampling, keys, places);
        Assert.That(ids.data<int>().ToArray(), Is.EqualTo(expected.data<int>().ToArray()));
        var (first, _) = FusedSampling.Sample(all.narrow(0, 0, Rows), Sampling, keys, places);
        Assert.That(ids.data<int>().ToArray(), Is.Not.EqualTo(first.data<int>().ToArray()));
    }

    [Test]
    public void Elements_AreTheTensorsOwn()
    {
        using var all = zeros(4, 3);
        HostTensor.Elements<float>(all.narrow(0, 2, 1), "part", 1, 3)[1] = 7;
        Assert.That(all.data<float>().ToArray(), Is.EqualTo(new float[] { 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0 }));
    }

    [Test]
    public void Decode_OfATensor_SaysWhatTheCodecSaysOfAnArray()
    {
        using var codec = SpeechCodec.Load(Path.Combine(OracleData.RepositoryRoot, "assets", "tiny", "xcodec2"));
        var codes = Enumerable.Range(0, 24).Select(i => i * 37 % codec.CodeCount).ToArray();
        Vocoder vocoder = new(codec.Native);
        var expected = new float[24 * codec.SamplesPerCode];
        codec.Native.Vocode([0, 12, 24], codes, expected);
        using var one = vocoder.Decode(tensor(codes));
        using var two = vocoder.Decode(tensor(codes).view(2, 12));
        Assert.Multiple(() =>
        {
            Assert.That(one.shape, Is.EqualTo(new long[] { 24 * codec.SamplesPerCode }));
            Assert.That(one.data<float>().ToArray(), Is.EqualTo(codec.Native.Vocode(codes)));
            Assert.That(two.shape, Is.EqualTo(new long[] { 2, 12 * codec.SamplesPerCode }));
            Assert.That(two.data<float>().ToArray(), Is.EqualTo(expected));
            Assert.That(() => vocoder.Decode(tensor(new[] { codec.CodeCount })), Throws.TypeOf<NativeException>());
            AssertRefused(() => vocoder.Decode(tensor(codes).to(ScalarType.Int64)), "`codes`: of Int64, expected Int32; pass codes.to(ScalarType.Int32)");
        });
    }

    [TestCase(GroupBaseline.StandardScore)]
    [TestCase(GroupBaseline.Mean)]
    [TestCase(GroupBaseline.MeanOfOthers)]
    public void Normalize_OfATensor_GivesWhatTheKernelGivesOfAnArray(GroupBaseline baseline)
    {
        var rewards = Floats(6, 1);
        long[] groups = [3, 3, 3, 8, 8, 8];
        var expected = new float[6];
        new NativeGroupKernel().Normalize(baseline, 0.1, rewards, groups, [1, 1, 0, 1, 1, 1], expected);
        using var got = GroupAdvantage.Normalize(tensor(rewards), tensor(groups), baseline, 0.1, tensor(new[] { true, true, false, true, true, true }));
        Assert.That(got.data<float>().ToArray(), Is.EqualTo(expected));
        Assert.That(expected[2], Is.Zero, "it takes no part");
    }

    [Test]
    public void TensorsThatTheLibraryCannotTake_AreRefusedWithWhatToPass()
    {
        using var rewards = tensor(Floats(6, 1));
        using var groups = zeros(6, dtype: ScalarType.Int64);
        using var logits = zeros(3, 4);
        using var keys = zeros(4, dtype: ScalarType.Int64);
        Assert.Multiple(() =>
        {
            AssertRefused(() => GroupAdvantage.Normalize(rewards.to(ScalarType.BFloat16), groups), "`rewards`: of BFloat16, expected Float32");
            AssertRefused(() => GroupAdvantage.Normalize(rewards, groups.narrow(0, 0, 5)), "`groups`: of shape [5], expected [6]");
            AssertRefused(() => GroupAdvantage.Normalize(rewards, groups, mask: ones(6)), "`mask`: of Float32, expected Bool");
            AssertRefused(() => GroupAdvantage.Normalize(empty(6, device: META), groups), "`rewards`: on meta, expected on the CPU: the library's calls take host memory; pass rewards.cpu()");
            AssertRefused(() => FusedSampling.Sample(logits.t(), Sampling, keys, keys), "`logits`: its elements are not row-major without gaps; pass logits.contiguous()");
            AssertRefused(() => FusedSampling.Sample(zeros(12), Sampling, keys, keys), "`logits`: of shape [12], expected [any, any]");
            AssertRefused(() => FusedSampling.Sample(logits, Sampling, keys, keys), "`sequenceIds`: of shape [4], expected [3]");
            AssertRefused(() => FusedSampling.Sample(zeros(4, 4), Sampling, keys, keys, historyOffsets: zeros(5, dtype: ScalarType.Int64)), "`historyOffsets` and `historyIds` go together");
        });
    }

    private static void AssertRefused<T>(Func<T> call, string message) =>
        Assert.That(Assert.Throws<ArgumentException>(() => call())!.Message, Does.StartWith(message));

    private static float[] Floats(int count, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (4 * random.NextSingle()) - 2)];
    }
}
