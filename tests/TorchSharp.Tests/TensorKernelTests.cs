using LlasaNative.Interop;
using LlasaNative.Models;
using LlasaNative.Tests.Support;
using LlasaNative.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace LlasaNative.Torch.Tests;

/// <summary>
/// The three native kernels on tensors give what they give on arrays, on the tensors' own memory. The calls that tensors of a card go by are made here on
/// tensors of the CPU, whose memory is the device's where the native library computes on the CPU.
/// </summary>
[TestFixture]
public sealed class TensorKernelTests
{
    private const int Rows = 5;
    private const int Vocabulary = 33;

    private static readonly NativeDevicePlace OnDevice = new(-1, 0);

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
        TensorMemory.Elements<float>(all.narrow(0, 2, 1))[1] = 7;
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
    public void Sample_ByTheCallOfACard_DrawsWhatItDrawsOfArrays()
    {
        AssumeTheHostIsTheDevice();
        using var logits = tensor(Floats((Rows + 1) * Vocabulary, 3)).view(Rows + 1, Vocabulary).narrow(0, 1, Rows);
        var (keys, places) = (arange(Rows, dtype: ScalarType.Int64), tensor(new long[] { 9, 8, 7, 6, 5 }));
        var (offsets, history) = (tensor(new long[] { 0, 2, 2, 3, 4, 6 }), tensor(new[] { 1, 2, 3, 4, 5, 6 }));
        var (expectedIds, expectedLogProbs) = FusedSampling.Sample(logits, Sampling, keys, places, offsets, history);
        var (ids, logProbs) = FusedSampling.Sample(OnDevice, logits, Sampling, keys, places, offsets, history);
        Assert.That(ids.data<int>().ToArray(), Is.EqualTo(expectedIds.data<int>().ToArray()));
        Assert.That(logProbs.data<float>().ToArray(), Is.EqualTo(expectedLogProbs.data<float>().ToArray()));
        var (without, _) = FusedSampling.Sample(OnDevice, logits, Sampling, keys, places, null, null);
        var (expectedWithout, _) = FusedSampling.Sample(logits, Sampling, keys, places);
        Assert.That(without.data<int>().ToArray(), Is.EqualTo(expectedWithout.data<int>().ToArray()).And.Not.EqualTo(ids.data<int>().ToArray()));
    }

    [Test]
    public void Sample_ByTheCallOfACard_HasCodesForRowsThatCannotBeDrawnFrom()
    {
        AssumeTheHostIsTheDevice();
        using var logits = zeros(4, 3);
        logits[1, 2] = float.NaN;
        logits[2] = float.NegativeInfinity;
        var keys = zeros(4, dtype: ScalarType.Int64);
        var (offsets, history) = (tensor(new long[] { 0, 0, 0, 0, 1 }), tensor(new[] { 3 }));
        var (ids, logProbs) = FusedSampling.Sample(OnDevice, logits, Sampling, keys, keys, offsets, history);
        Assert.That(ids.data<int>().ToArray()[1..], Is.EqualTo(new[] { NativeConstants.SampleNotFinite, NativeConstants.SampleEmpty, NativeConstants.SampleNotFinite }));
        Assert.That(ids[0].item<int>(), Is.InRange(0, 2));
        Assert.That(logProbs.data<float>().ToArray()[1..], Is.All.Zero);
    }

    [Test]
    public void DecodeAndNormalize_ByTheCallsOfACard_GiveWhatTheyGiveOfArrays()
    {
        AssumeTheHostIsTheDevice();
        using var codec = SpeechCodec.Load(Path.Combine(OracleData.RepositoryRoot, "assets", "tiny", "xcodec2"));
        using var codes = tensor(Enumerable.Range(0, 24).Select(i => i * 37 % codec.CodeCount).ToArray()).view(2, 12);
        Vocoder vocoder = new(codec.Native);
        using var expected = vocoder.Decode(codes);
        using var sound = vocoder.Decode(OnDevice, codes);
        Assert.That(sound.shape, Is.EqualTo(expected.shape));
        Assert.That(sound.data<float>().ToArray(), Is.EqualTo(expected.data<float>().ToArray()));
        using var wrong = tensor(new[] { 1, codec.CodeCount });
        Assert.That(() => vocoder.Decode(OnDevice, wrong), Throws.TypeOf<NativeException>().With.Message.Contains($"`codes`: {codec.CodeCount} at position 1 of clip 0"));

        using var rewards = tensor(Floats(6, 1));
        using var groups = tensor(new long[] { 3, 3, 3, 8, 8, 8 });
        using var mask = tensor(new[] { true, true, false, true, true, true });
        using var ofArrays = GroupAdvantage.Normalize(rewards, groups, mask: mask);
        using var ofDevice = GroupAdvantage.Normalize(OnDevice, rewards, groups, GroupBaseline.StandardScore, 1e-6, mask);
        Assert.That(ofDevice.data<float>().ToArray(), Is.EqualTo(ofArrays.data<float>().ToArray()));
    }

    [Test]
    public void ACallOnTheDevice_OfAStreamThatTheCpuLacks_IsRefused()
    {
        AssumeTheHostIsTheDevice();
        using var rewards = tensor(Floats(6, 1));
        using var groups = zeros(6, dtype: ScalarType.Int64);
        Assert.That(
            () => GroupAdvantage.Normalize(new NativeDevicePlace(-1, 8), rewards, groups, GroupBaseline.Mean, 0, null),
            Throws.TypeOf<NativeException>().With.Message.Contains("`stream`: 0x8, expected NULL: the CPU has no streams"));
    }

    // This process has torch for the CPU, which has no such stream: what cannot be told is refused, and not taken for the default one.
    [Test]
    public void TorchsCurrentStream_WhereLibtorchDoesNotTellIt_IsRefused() =>
        Assert.That(() => TorchStream.Current(0), Throws.TypeOf<NotSupportedException>().With.Message.Contains("libtorch_cuda").And.Message.Contains("Pass tensors by cpu()"));

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
            AssertRefused(() => GroupAdvantage.Normalize(empty(6, device: META), groups), "`rewards`: on meta, expected on the CPU or a CUDA device; pass rewards.cpu()");
            AssertRefused(() => GroupAdvantage.Normalize(rewards, empty(6, dtype: ScalarType.Int64, device: META)), "`groups`: on meta, expected on cpu as the others; pass groups.to(cpu)");
            AssertRefused(() => FusedSampling.Sample(logits.t(), Sampling, keys, keys), "`logits`: its elements are not row-major without gaps; pass logits.contiguous()");
            AssertRefused(() => FusedSampling.Sample(zeros(12), Sampling, keys, keys), "`logits`: of shape [12], expected [any, any]");
            AssertRefused(() => FusedSampling.Sample(logits, Sampling, keys, keys), "`sequenceIds`: of shape [4], expected [3]");
            AssertRefused(() => FusedSampling.Sample(zeros(4, 4), Sampling, keys, keys, historyOffsets: zeros(5, dtype: ScalarType.Int64)), "`historyOffsets` and `historyIds` go together");
        });
    }

    private static void AssumeTheHostIsTheDevice() =>
        Assume.That(NativeDevice.GetInfo().Backend, Is.EqualTo("cpu"), "tensors of the CPU are memory of the library's device on its CPU backend alone");

    private static void AssertRefused<T>(Func<T> call, string message) =>
        Assert.That(Assert.Throws<ArgumentException>(() => call())!.Message, Does.StartWith(message));

    private static float[] Floats(int count, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (4 * random.NextSingle()) - 2)];
    }
}
