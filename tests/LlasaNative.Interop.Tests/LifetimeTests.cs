namespace LlasaNative.Interop.Tests;

[TestFixture]
public sealed class LifetimeTests : LeakCheckedTests
{
    [Test]
    public void Policy_DisposedBeforeItsChildren_LivesAsLongAsTheyDo()
    {
        var policy = TinyPolicy.Create();
        var rollout = new NativeRollout(policy, NativeRolloutOptions.CreateDefault());
        var trainer = new NativeTrainer(policy, NativeTrainerOptions.CreateDefault());
        policy.Dispose();
        var result = rollout.Generate(Sampling(4), [0, 2], [1, 2], 2);
        Assert.That(result.Lengths.ToArray(), Is.All.EqualTo(4));
        rollout.Dispose();
        Assert.That(trainer.StepCount, Is.Zero);
        trainer.Dispose();
        Assert.That(() => policy.Logits([1], new float[TinyPolicy.VocabSize]), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Handles_DisposedInEveryOrderOrTwice_LeaveNothing()
    {
        foreach (var order in new[] { "prt", "ptr", "rpt", "rtp", "tpr", "trp" })
        {
            var policy = TinyPolicy.Create();
            var rollout = new NativeRollout(policy, NativeRolloutOptions.CreateDefault());
            var trainer = new NativeTrainer(policy, NativeTrainerOptions.CreateDefault());
            foreach (var which in order + order)
            {
                (which switch { 'p' => (IDisposable)policy, 'r' => rollout, _ => trainer }).Dispose();
            }

            Assert.That(NativeDevice.GetLiveCounts().AllocatedBytes, Is.Zero, order);
        }
    }

    [Test]
    public void Handle_DisposedDuringACall_LivesUntilTheCallReturns()
    {
        var policy = TinyPolicy.Create();
        var rollout = new NativeRollout(policy, NativeRolloutOptions.CreateDefault());
        NativeProgress disposes = (_, _) =>
        {
            rollout.Dispose();
            policy.Dispose();
            return true;
        };
        var result = rollout.Generate(Sampling(8), [0, 1], [1], 1, progress: disposes);
        Assert.Multiple(() =>
        {
            Assert.That(result.Lengths[0], Is.EqualTo(8));
            Assert.That(NativeDevice.GetLiveCounts().Rollouts, Is.Zero);
            Assert.That(() => rollout.Generate(Sampling(8), [0, 1], [1], 1), Throws.TypeOf<ObjectDisposedException>());
        });
    }

    [Test]
    public void Handles_NeverDisposed_AreFreedByTheirFinalizers()
    {
        Abandon();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var counts = NativeDevice.GetLiveCounts();
        Assert.That((counts.Policies, counts.Rollouts, counts.Trainers, counts.AllocatedBytes), Is.EqualTo((0L, 0L, 0L, 0L)));
    }

    private static NativeSamplingOptions Sampling(int tokens)
    {
        var sampling = NativeSamplingOptions.CreateDefault();
        sampling.MaxNewTokens = tokens;
        sampling.Seed = 7;
        return sampling;
    }

    private static void Abandon()
    {
        var policy = TinyPolicy.Create();
        _ = new NativeRollout(policy, NativeRolloutOptions.CreateDefault());
        _ = new NativeTrainer(policy, NativeTrainerOptions.CreateDefault());
    }
}
