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
}
