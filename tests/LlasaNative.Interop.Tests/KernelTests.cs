using System.Runtime.InteropServices;

namespace LlasaNative.Interop.Tests;

[TestFixture]
public sealed class KernelTests : LeakCheckedTests
{
    [Test]
    public void GroupAdvantage_OfTwoGroups_SubtractsEachGroupsMean()
    {
        float[] rewards = [1, 3, 10, 20];
        var advantages = new float[4];
        NativeKernels.GroupAdvantage(NativeAdvantageEstimator.DrGrpo, rewards, [0, 0, 1, 1], advantages);
        Assert.That(advantages, Is.EqualTo(new float[] { -1, 1, -5, 5 }));
    }

    [Test]
    public void GroupAdvantage_WithShortArrays_IsRefusedBeforeTheCall() =>
        Assert.Multiple(() =>
        {
            Assert.That(() => NativeKernels.GroupAdvantage(NativeAdvantageEstimator.Grpo, new float[3], new long[2], new float[3]),
                Throws.ArgumentException.With.Message.Contains("groupIds"));
            Assert.That(() => NativeKernels.GroupAdvantage(NativeAdvantageEstimator.Grpo, new float[3], new long[3], new float[2]),
                Throws.ArgumentException.With.Message.Contains("outAdvantages"));
            Assert.That(() => NativeKernels.GroupAdvantage(NativeAdvantageEstimator.Grpo, new float[3], new long[3], new float[3], new byte[1]),
                Throws.ArgumentException.With.Message.Contains("mask"));
        });

    [Test]
    public void Sample_AtTemperatureZero_TakesTheLargestLogit()
    {
        var sampling = NativeSamplingOptions.CreateDefault();
        sampling.Temperature = 0;
        sampling.MaxNewTokens = 1;
        var ids = new int[2];
        var logProbs = new float[2];
        NativeKernels.Sample(sampling, [0, 5, 1, 7, 2, 3], 3, [0, 1], [0, 0], ids, logProbs);
        Assert.Multiple(() =>
        {
            Assert.That(ids, Is.EqualTo(new[] { 1, 0 }));
            Assert.That(logProbs, Is.All.Negative);
        });
    }

    [Test]
    public void Sample_WithOffsetsThatFall_IsRefusedBeforeTheCall()
    {
        var sampling = NativeSamplingOptions.CreateDefault();
        Assert.That(
            () => NativeKernels.Sample(sampling, new float[4], 2, [0, 1], [0, 0], new int[2], new float[2], [0, 5, 1], new int[5]),
            Throws.ArgumentException.With.Message.Contains("entry 2"));
    }

    // A policy's weights are memory of the device, on every backend: rows of the embedding are logits here, and what is drawn goes where gains were.
    [Test]
    public unsafe void Sample_OnMemoryOfTheDevice_DrawsWhatItDrawsOfAnArray()
    {
        const string Logits = "model.embed_tokens.weight", Sequences = "model.layers.0.input_layernorm.weight", Positions = "model.layers.0.post_attention_layernorm.weight";
        const string Ids = "model.layers.1.input_layernorm.weight", LogProbs = "model.norm.weight";
        const int Rows = 4, Columns = 128;
        ulong[] sequences = [7, 8, 9, 1];
        long[] positions = [3, 2, 1, 0];
        using var policy = TinyPolicy.Create();
        policy.SetTensor(Sequences, [16], [.. MemoryMarshal.Cast<ulong, float>(sequences), .. new float[8]]);
        policy.SetTensor(Positions, [16], [.. MemoryMarshal.Cast<long, float>(positions), .. new float[8]]);
        var sampling = NativeSamplingOptions.CreateDefault();
        (sampling.Temperature, sampling.Seed) = (0.01f, 5);
        var (expectedIds, expectedLogProbs) = (new int[Rows], new float[Rows]);
        NativeKernels.Sample(sampling, ValuesOf(policy, Logits, 512), Columns, sequences, positions, expectedIds, expectedLogProbs);

        NativeKernels.Sample(
            new NativeDevicePlace(-1, 0), sampling, new(policy.GetTensorMemory(Logits, out _), 512), Columns, new(policy.GetTensorMemory(Sequences, out _), Rows),
            new(policy.GetTensorMemory(Positions, out _), Rows), new(policy.GetTensorMemory(Ids, out _), 16), new(policy.GetTensorMemory(LogProbs, out _), 16));
        using (new PinnedBuffer(64))
        {
            // On a device, giving it back waits for all streams: the policy's own knows nothing of the default one.
        }

        Assert.Multiple(() =>
        {
            Assert.That(MemoryMarshal.Cast<float, int>(ValuesOf(policy, Ids, 16))[..Rows].ToArray(), Is.EqualTo(expectedIds));
            Assert.That(ValuesOf(policy, LogProbs, 16)[..Rows], Is.EqualTo(expectedLogProbs));
            Assert.That(expectedIds.Distinct().Count(), Is.GreaterThan(1));
        });
    }

    [Test]
    public unsafe void Kernels_OnShortArraysOfADevice_AreRefusedBeforeTheCall()
    {
        var on = new NativeDevicePlace(-1, 0);
        float value;
        NativeDeviceArray<float> floats = new(&value, 3);
        Assert.Multiple(() =>
        {
            Assert.That(() => NativeKernels.GroupAdvantage(on, NativeAdvantageEstimator.Grpo, floats, default, floats), Throws.ArgumentException.With.Message.Contains("groupIds"));
            Assert.That(() => NativeKernels.Sample(on, NativeSamplingOptions.CreateDefault(), floats, 2, new(null, 2), default, default, default), Throws.ArgumentException.With.Message.Contains("logits"));
            Assert.That(() => NativeKernels.Sample(on, NativeSamplingOptions.CreateDefault(), floats, 1, new(null, 2), default, default, default), Throws.ArgumentException.With.Message.Contains("positions"));
        });
    }

    private static float[] ValuesOf(NativePolicy policy, string name, int count)
    {
        var values = new float[count];
        policy.GetTensor(name, values);
        return values;
    }
}
