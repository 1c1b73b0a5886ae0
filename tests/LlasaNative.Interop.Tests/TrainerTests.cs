namespace LlasaNative.Interop.Tests;

[TestFixture]
public sealed class TrainerTests : LeakCheckedTests
{
    private static readonly NativeProgress Stop = (_, _) => false;

    [Test]
    public void Trainer_OnSft_LowersTheLossAndCountsItsSteps()
    {
        using var policy = TinyPolicy.Create();
        using var trainer = new NativeTrainer(policy, NativeTrainerOptions.CreateDefault());
        var first = Step(trainer);
        for (var i = 0; i < 20; i++)
        {
            Step(trainer);
        }

        Assert.Multiple(() =>
        {
            Assert.That(Step(trainer), Is.LessThan(0.8 * first));
            Assert.That(trainer.StepCount, Is.EqualTo(22));
        });
    }

    [Test]
    public void Trainer_Cancelled_ThrowsAndForgetsOnRequest()
    {
        using var policy = TinyPolicy.Create();
        using var trainer = new NativeTrainer(policy, NativeTrainerOptions.CreateDefault());
        Assert.That(
            () => trainer.Accumulate(Batch(), NativeHeadOptions.CreateDefault(), CrossEntropy(), Terms(), progress: Stop),
            Throws.TypeOf<OperationCanceledException>());
        trainer.ZeroGradients();
        Assert.That(Step(trainer), Is.Positive);
    }

    [Test]
    public void Trainer_GivenTooFewWeights_RefusesThem()
    {
        using var policy = TinyPolicy.Create();
        using var trainer = new NativeTrainer(policy, NativeTrainerOptions.CreateDefault());
        Assert.That(
            () => trainer.Accumulate(
                Batch(), NativeHeadOptions.CreateDefault(), CrossEntropy(), new NativeTokenTerms { Advantages = new float[4], PolicyWeights = new float[3] }),
            Throws.ArgumentException.With.Message.Contains("3 elements, expected at least 4").And.Message.Contains("PolicyWeights"));
    }

    private static NativeTokenBatch Batch() => new([0, 4, 7], new[] { 1, 2, 3, 4, 5, 6, 7 }, [1, 2]);

    private static NativeLossOptions CrossEntropy()
    {
        var loss = NativeLossOptions.CreateDefault();
        loss.PolicyTerm = NativePolicyTerm.LogProb;
        return loss;
    }

    private static NativeTokenTerms Terms() => new() { Advantages = new float[] { 1, 1, 1, 1 }, PolicyWeights = new[] { 0.25f, 0.25f, 0.25f, 0.25f } };

    private static double Step(NativeTrainer trainer)
    {
        var stats = trainer.Accumulate(Batch(), NativeHeadOptions.CreateDefault(), CrossEntropy(), Terms());
        Assert.That(trainer.Step(0.01f).Skipped, Is.Zero);
        return stats.Loss;
    }
}
