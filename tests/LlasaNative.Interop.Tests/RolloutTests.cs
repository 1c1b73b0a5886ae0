namespace LlasaNative.Interop.Tests;

[TestFixture]
public sealed class RolloutTests : LeakCheckedTests
{
    private static readonly NativeProgress Stop = (_, _) => false;

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
    public void Rollout_TellsOfEachSampleOnce_AndAnExceptionComesOut()
    {
        using var policy = TinyPolicy.Create();
        using var rollout = new NativeRollout(policy, NativeRolloutOptions.CreateDefault());
        Dictionary<int, int[]> seen = [];
        var result = rollout.Generate(Sampling(6), [0, 2, 5], [1, 2, 3, 4, 5], 3, finished: (drawn, index) => seen.Add(index, drawn.Tokens(index).ToArray()));
        Assert.That(seen.Keys.Order(), Is.EqualTo(Enumerable.Range(0, 6)));
        for (var i = 0; i < result.Count; i++)
        {
            Assert.That(seen[i], Is.EqualTo(result.Tokens(i).ToArray()), $"sample {i}");
        }

        Assert.That(
            () => rollout.Generate(Sampling(6), [0, 1], [1], 1, finished: (_, _) => throw new FormatException("mine")), Throws.TypeOf<FormatException>());
        Assert.That(rollout.Generate(Sampling(3), [0, 1], [1], 1).Lengths[0], Is.EqualTo(3));
    }

    [Test]
    public void Rollout_AllocatesNothingManagedPerToken()
    {
        using var policy = TinyPolicy.Create();
        using var rollout = new NativeRollout(policy, NativeRolloutOptions.CreateDefault());
        AllocatedBytes(rollout, 2);
        Assert.That(AllocatedBytes(rollout, 50), Is.EqualTo(AllocatedBytes(rollout, 2)));
    }

    [Test]
    public void Rollout_WithShortOutputs_IsRefusedBeforeTheCall()
    {
        using var policy = TinyPolicy.Create();
        using var rollout = new NativeRollout(policy, NativeRolloutOptions.CreateDefault());
        Assert.Multiple(() =>
        {
            Assert.That(() => Into(rollout, 5, 4, 1), Throws.ArgumentException.With.Message.Contains("Tokens"));
            Assert.That(() => Into(rollout, 5, 5, 0), Throws.ArgumentException.With.Message.Contains("Lengths"));
            Assert.That(() => rollout.Generate(Sampling(5), [0, 3], [1, 2], 1), Throws.ArgumentException.With.Message.Contains("promptIds"));
            Assert.That(() => rollout.Generate(Sampling(5), [0, 1], [1], 0), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => rollout.Generate(Sampling(5), [0, 1], [1], 2, [4]), Throws.ArgumentException.With.Message.Contains("sequenceIds"));
        });
    }

    private static long AllocatedBytes(NativeRollout rollout, int tokens)
    {
        int[] ids = new int[tokens], lengths = new int[1];
        var logProbs = new float[tokens];
        var reasons = new NativeFinishReason[1];
        var before = GC.GetAllocatedBytesForCurrentThread();
        var output = new NativeRolloutOutput { Tokens = ids, LogProbs = logProbs, Lengths = lengths, FinishReasons = reasons };
        rollout.Generate(Sampling(tokens), [0, 1], [1], 1, default, output);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static void Into(NativeRollout rollout, int maxNewTokens, int tokens, int samples) =>
        rollout.Generate(Sampling(maxNewTokens), [0, 1], [1], 1, default, new NativeRolloutOutput
        {
            Tokens = new int[tokens],
            LogProbs = new float[tokens],
            Lengths = new int[samples],
            FinishReasons = new NativeFinishReason[samples],
        });

    private static NativeSamplingOptions Sampling(int tokens)
    {
        var sampling = NativeSamplingOptions.CreateDefault();
        sampling.MaxNewTokens = tokens;
        sampling.Seed = 7;
        return sampling;
    }
}
