using System.Runtime.InteropServices;

namespace LlasaNative.Interop.Tests;

[TestFixture]
public sealed class PolicyTests : LeakCheckedTests
{
    private static readonly NativeProgress Stop = (_, _) => false;

    [Test]
    public void Tensors_OfNewPolicy_AreNamedAsHuggingFaceDoesAndUnset()
    {
        using var policy = new NativePolicy(TinyPolicy.Options());
        var tensors = policy.GetTensors();
        Assert.Multiple(() =>
        {
            Assert.That(tensors[0].Name, Is.EqualTo("model.embed_tokens.weight"));
            Assert.That(tensors[0].Shape, Is.EqualTo(new long[] { TinyPolicy.VocabSize, 16 }));
            Assert.That(tensors.Select(t => t.IsSet), Is.All.False);
        });
    }

    [Test]
    public void Tensor_SetInOneTypeAndReadInAnother_KeepsItsValue()
    {
        using var policy = new NativePolicy(TinyPolicy.Options());
        var values = Enumerable.Range(0, 16).Select(i => i * 0.5f).ToArray();
        var half = values.Select(v => (Half)v).ToArray();
        policy.SetTensor("model.norm.weight", NativeDType.F16, [16], MemoryMarshal.AsBytes(half.AsSpan()));
        var back = new float[16];
        policy.GetTensor("model.norm.weight", back);
        Assert.That(back, Is.EqualTo(values));
    }

    [Test]
    public void SetTensor_WithAnyFault_SaysWhich()
    {
        using var policy = new NativePolicy(TinyPolicy.Options());
        Assert.Multiple(() =>
        {
            Assert.That(() => policy.SetTensor("no.such.tensor", [16], new float[16]), Fails(LlasaStatus.Name, "no.such.tensor"));
            Assert.That(() => policy.SetTensor("model.norm.weight", [17], new float[17]), Fails(LlasaStatus.Shape, "17"));
            Assert.That(() => policy.SetTensor("model.norm.weight", [16], new float[15]), Throws.ArgumentException);
            Assert.That(() => policy.SetTensor("model.norm.weight", [-16], new float[16]), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => policy.SetTensor("model.norm.weight", [16], Enumerable.Repeat(float.NaN, 16).ToArray()),
                Fails(LlasaStatus.NotFinite, "model.norm.weight"));
        });
    }

    [Test]
    public void Options_WithoutTheirSize_AreRefused() =>
        Assert.That(() => new NativePolicy(default), Fails(LlasaStatus.Abi, "struct_size"));

    [Test]
    public void Logits_BeforeWeightsAreSet_IsAStateError()
    {
        using var policy = new NativePolicy(TinyPolicy.Options());
        Assert.That(() => policy.Logits([1, 2], new float[2 * TinyPolicy.VocabSize]), Throws.TypeOf<NativeException>()
            .With.Property(nameof(NativeException.Status)).EqualTo(LlasaStatus.State));
    }

    [Test]
    public void Logits_WithBadTokensOrArrays_AreRefused()
    {
        using var policy = TinyPolicy.Create();
        Assert.Multiple(() =>
        {
            Assert.That(() => policy.Logits([1, 2], new float[TinyPolicy.VocabSize]), Throws.ArgumentException);
            Assert.That(() => policy.Logits([1, TinyPolicy.VocabSize], new float[2 * TinyPolicy.VocabSize]), Fails(LlasaStatus.Token, "32"));
        });
    }

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
    public void Handles_NeverDisposed_AreFreedByTheirFinalizers()
    {
        Abandon();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var counts = NativeDevice.GetLiveCounts();
        Assert.That((counts.Policies, counts.Rollouts, counts.Trainers, counts.AllocatedBytes), Is.EqualTo((0L, 0L, 0L, 0L)));
    }

    [Test]
    public void Rollout_WithOneSeed_IsReproducible()
    {
        using var policy = TinyPolicy.Create();
        using var rollout = new NativeRollout(policy, NativeRolloutOptions.CreateDefault());
        var first = rollout.Generate(Sampling(6), [0, 2, 5], [1, 2, 3, 4, 5], 3);
        var second = rollout.Generate(Sampling(6), [0, 2, 5], [1, 2, 3, 4, 5], 3);
        Assert.Multiple(() =>
        {
            Assert.That(first.Count, Is.EqualTo(6));
            for (var i = 0; i < first.Count; i++)
            {
                Assert.That(second.Tokens(i).ToArray(), Is.EqualTo(first.Tokens(i).ToArray()));
                Assert.That(second.LogProbs(i).ToArray(), Is.EqualTo(first.LogProbs(i).ToArray()));
            }
        });
    }

    [Test]
    public void Rollout_CancelledByDelegateOrToken_ThrowsAndCanBeUsedAgain()
    {
        using var policy = TinyPolicy.Create();
        using var rollout = new NativeRollout(policy, NativeRolloutOptions.CreateDefault());
        using var source = new CancellationTokenSource();
        NativeProgress cancels = (_, _) =>
        {
            source.Cancel();
            return true;
        };
        Assert.Multiple(() =>
        {
            Assert.That(() => rollout.Generate(Sampling(20), [0, 1], [1], 1, progress: Stop), Throws.TypeOf<OperationCanceledException>());
            Assert.That(() => rollout.Generate(Sampling(20), [0, 1], [1], 1, progress: cancels, cancellation: source.Token),
                Throws.TypeOf<OperationCanceledException>());
            Assert.That(() => rollout.Generate(Sampling(20), [0, 1], [1], 1, progress: (_, _) => throw new FormatException("mine")),
                Throws.TypeOf<FormatException>());
            Assert.That(rollout.Generate(Sampling(3), [0, 1], [1], 1).Lengths[0], Is.EqualTo(3));
        });
    }

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
            () => trainer.Accumulate(Batch(), NativeHeadOptions.CreateDefault(), Sft(), default, progress: Stop),
            Throws.TypeOf<OperationCanceledException>());
        trainer.ZeroGradients();
        Assert.That(Step(trainer), Is.Positive);
    }

    [Test]
    public void TokenBatch_WithAnyFault_IsRefused() =>
        Assert.Multiple(() =>
        {
            Assert.That(() => new NativeTokenBatch([], [1], []).Count, Throws.ArgumentException);
            Assert.That(() => new NativeTokenBatch([1, 2], [1, 2], [1]).Count, Throws.ArgumentException);
            Assert.That(() => new NativeTokenBatch([0, 3], [1, 2], [1]).Count, Throws.ArgumentException);
            Assert.That(() => new NativeTokenBatch([0, 2], [1, 2], [3]).Count, Throws.ArgumentException);
            Assert.That(() => new NativeTokenBatch([0, 2], [1, 2], [0]).Count, Throws.ArgumentException);
            Assert.That(new NativeTokenBatch([0, 2, 5], [1, 2, 3, 4, 5], [1, 2]).ScoredTokens, Is.EqualTo(2));
        });

    private static NUnit.Framework.Constraints.IResolveConstraint Fails(LlasaStatus status, string text) =>
        Throws.TypeOf<NativeException>().With.Property(nameof(NativeException.Status)).EqualTo(status).And.Message.Contains(text);

    private static NativeSamplingOptions Sampling(int tokens)
    {
        var sampling = NativeSamplingOptions.CreateDefault();
        sampling.MaxNewTokens = tokens;
        sampling.Seed = 7;
        return sampling;
    }

    private static NativeTokenBatch Batch() => new([0, 4, 7], new[] { 1, 2, 3, 4, 5, 6, 7 }, [1, 2]);

    private static NativeLossOptions Sft()
    {
        var loss = NativeLossOptions.CreateDefault();
        loss.Kind = NativeLossKind.Sft;
        loss.TotalTokens = 4;
        loss.TotalSequences = 2;
        return loss;
    }

    private static double Step(NativeTrainer trainer)
    {
        var stats = trainer.Accumulate(Batch(), NativeHeadOptions.CreateDefault(), Sft(), default);
        Assert.That(trainer.Step(0.01f).Skipped, Is.Zero);
        return stats.Loss;
    }

    private static void Abandon()
    {
        var policy = TinyPolicy.Create();
        _ = new NativeRollout(policy, NativeRolloutOptions.CreateDefault());
        _ = new NativeTrainer(policy, NativeTrainerOptions.CreateDefault());
    }
}
