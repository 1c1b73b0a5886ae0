using LlasaNative.Rewards;
using LlasaNative.Training.Tests.Fakes;

namespace LlasaNative.Training.Tests;

/// <summary>Several ranks take the steps of one: the same samples, the same numbers, a gradient that differs by the order of its sums.</summary>
public sealed class RanksTests
{
    private static readonly string[] Texts = ["ab", "b", "c", "ba", "ca"];

    private static GrpoOptions Settings(LossOptions? loss = null, int rounds = 0, int prompts = 3)
    {
        var settings = World.Settings(prompts, 4);
        return settings with { Loss = loss ?? settings.Loss, Rollout = settings.Rollout with { DynamicRounds = rounds } };
    }

    private static IEnumerable<TestCaseData> Algorithms()
    {
        yield return new TestCaseData(Settings()) { TestName = "grpo" };
        yield return new TestCaseData(Settings(prompts: 1)) { TestName = "more ranks than groups" };
        yield return new TestCaseData(Settings(rounds: 4)) { TestName = "dynamic sampling" };
        yield return new TestCaseData(Settings(new LossOptions { Advantage = "reinforce_plus_plus" })) { TestName = "whitened over all samples" };
        yield return new TestCaseData(Settings(new LossOptions { Aggregation = LossAggregation.SequenceMean, Ratio = RatioLevel.Sequence })) { TestName = "means over sequences" };
        yield return new TestCaseData(Settings(new LossOptions { KlCoefficient = 0.1 })) { TestName = "divergence in the loss" };
        yield return new TestCaseData(Settings(new LossOptions { KlCoefficient = 0.1, KlPlacement = KlPlacement.Reward }, rounds: 2)) { TestName = "divergence in the reward" };
        yield return new TestCaseData(Settings(new LossOptions { Importance = ImportanceLevel.Token })) { TestName = "importance weights" };
        yield return new TestCaseData(Settings(new LossOptions { Objective = "dpo" }, rounds: 2) with { Judge = new JudgeOptions { Url = "http://localhost:1/v1", Model = "script" } }) { TestName = "pairs judged by somebody else" };
        yield return new TestCaseData(Settings() with { Update = new UpdateOptions { Epochs = 2, MiniBatchPrompts = 2 } }) { TestName = "mini-batches" };
    }

    [TestCaseSource(nameof(Algorithms))]
    public void Steps_OfAnyNumberOfRanks_AreThoseOfOne(GrpoOptions options)
    {
        var one = Take(options, Ranks.Alone);
        for (var size = 2; size <= 4; size++)
        {
            foreach (var ours in ThreadWorld.Run(size, world => Take(options, world)))
            {
                Assert.Multiple(() =>
                {
                    Assert.That(ours.Samples, Is.EqualTo(one.Samples), $"{size} ranks");
                    Assert.That(ours.Position, Is.EqualTo(one.Position));
                    // Logits are kept in f32, some of order 1: a last place of theirs.
                    Assert.That(ours.Logits, Is.EqualTo(one.Logits).Within(1.2e-7));
                    foreach (var (name, value) in one.Metrics)
                    {
                        Assert.That(ours.Metrics[name], Is.EqualTo(value).Within(1e-6).Or.EqualTo(value), $"{name}, {size} ranks");
                    }
                });
            }
        }
    }

    [Test]
    public void Steps_AreSharedOut_NotRepeated()
    {
        var drawn = ThreadWorld.Run(3, world =>
        {
            using World run = new(Settings(), Texts, ranks: world);
            run.Step();
            return (run.Policy.Ids, Tokens: run.Trainer.Accumulated.Sum(a => a.Tokens.Length));
        });
        using World alone = new(Settings(), Texts);
        alone.Step();
        Assert.That(drawn.SelectMany(d => d.Ids), Is.EqualTo(alone.Policy.Ids));
        Assert.That(drawn.Sum(d => d.Tokens), Is.EqualTo(alone.Trainer.Accumulated.Sum(a => a.Tokens.Length)));
        Assert.That(drawn.Select(d => d.Ids.Count), Has.All.EqualTo(4));
    }

    [TestCase(KlPlacement.Loss)]
    [TestCase(KlPlacement.Reward)]
    public void Reference_IsAskedAsOftenByEveryRank(KlPlacement placement)
    {
        // It may lie in parts that ranks bring together for each other: one without samples asks, too.
        var asked = ThreadWorld.Run(4, world =>
        {
            using World run = new(Settings(new LossOptions { KlCoefficient = 0.1, KlPlacement = placement, MaskFlatGroups = false }), Texts, ranks: world);
            run.Step();
            return (Drawn: run.Policy.Ids.Count, Scored: run.Policy.Calls.Count(call => call == "score"));
        });
        Assert.That(asked.Select(a => a.Drawn), Has.Some.Zero);
        Assert.That(asked.Select(a => a.Scored), Has.All.EqualTo(asked[0].Scored).And.All.GreaterThan(0));
    }

    [Test]
    public void Step_ThatTooFewCouldBeHeardIn_IsGivenUpByAllRanks()
    {
        // Only the first rank's samples cannot be scored: the share that failed is over all of them.
        var options = Settings() with { RewardServer = new RewardServerOptions { MaxNotScored = 0.2 } };
        var messages = ThreadWorld.Run(3, world =>
        {
            using World run = new(options, Texts, ranks: world);
            run.Recognition.Fails = (text, _) => text == "ab";
            return Assert.Throws<RewardUnavailableException>(() => run.Step())!.Message;
        });
        Assert.That(messages, Has.All.Contains("4 of 12 samples could not be scored"));
    }

    [Test]
    public void Step_WhoseRewardFailsOnOneRank_IsGivenUpAndSavedByAll()
    {
        // Only the first rank's text makes the component throw.
        var options = Settings() with { Reward = new RewardOptions { Mode = RewardMode.Seed, Components = $"{typeof(RanksTests).Assembly.Location}:{typeof(ThrowsForAb).FullName}=1" } };
        var messages = ThreadWorld.Run(3, world =>
        {
            using World run = new(options, Texts, ranks: world);
            return Assert.Throws<RewardUnavailableException>(() => run.Run(new Memory()))!.Message;
        });
        Assert.That(messages, Has.All.Contains("not this one").And.All.Contains("after step 0"));
    }

    public sealed class ThrowsForAb : IRewardComponent
    {
        public string Name => "throws";

        public double Score(RewardInput input) => input.Sample.Reference == "ab" ? throw new InvalidOperationException("not this one") : 1;
    }

    [Test]
    public void Run_ContinuesOnAnotherNumberOfRanks()
    {
        using World undisturbed = new(Settings(), Texts);
        undisturbed.Run(new Memory());
        Memory saved = new();
        foreach (var (size, last) in new[] { (2, 2), (3, 4), (1, 6) })
        {
            var options = Settings() with { Run = Settings().Run with { Steps = last } };
            var before = saved;
            var logits = ThreadWorld.Run(size, world =>
            {
                Memory memory = new(before);
                using World run = new(options, Texts, ranks: world);
                Assert.That(run.Run(memory, options).Step, Is.EqualTo(last));
                saved = world.Rank == 0 ? memory : saved;
                return run.Policy.Logits;
            });
            Assert.That(logits, Has.All.EqualTo(logits[0]));
            if (last == 6)
            {
                // Each step rounds the logits to f32 anew, from sums of another order.
                Assert.That(logits[0], Is.EqualTo(undisturbed.Policy.Logits).Within(1e-6));
            }
        }
    }

    [Test]
    public void Signal_ToAnyRank_EndsAllAfterTheSameStep()
    {
        var outcomes = ThreadWorld.Run(2, world =>
        {
            using World run = new(Settings(), Texts, ranks: world);
            using StopSignal? stop = world.Rank == 1 ? new StopSignal() : null;
            return run.Run(new Memory(), stop: stop, onStep: report =>
            {
                if (world.Rank == 1 && report.Metrics.Step == 2)
                {
                    stop!.Request();
                }
            });
        });
        Assert.That(outcomes.Select(o => (o.Step, o.Completed, o.Stopped)), Has.All.EqualTo((2L, false, true)));
    }

    [Test]
    public void Evaluation_OfAnyNumberOfRanks_IsThatOfOne()
    {
        using World alone = new(Settings(), Texts);
        var one = alone.Evaluate(Texts, null);
        for (var size = 2; size <= 6; size++)   // of five texts: the sixth rank has none
        {
            foreach (var ours in ThreadWorld.Run(size, world =>
            {
                using World run = new(Settings(), Texts, ranks: world);
                return run.Evaluate(Texts, null);
            }))
            {
                Assert.That(ours.Samples.Select(s => (s.Text, s.Transcript, s.Judgement.Reward, s.Judgement.Nll)), Is.EqualTo(one.Samples.Select(s => (s.Text, s.Transcript, s.Judgement.Reward, s.Judgement.Nll))));
                Assert.That((ours.Cer, ours.Nll, ours.Reward), Is.EqualTo((one.Cer, one.Nll, one.Reward)));
                Assert.That(ours.AudioSeconds, Is.EqualTo(one.AudioSeconds).Within(1e-9));
            }
        }
    }

    [TestCase(new long[] { 5, 5, 5, 5 }, 2, new[] { 0, 2, 4 })]
    [TestCase(new long[] { 100, 1, 1, 1 }, 2, new[] { 0, 1, 4 })]
    [TestCase(new long[] { 1, 1, 1, 100 }, 2, new[] { 0, 3, 4 })]
    [TestCase(new long[] { 7 }, 3, new[] { 0, 0, 1, 1 })]
    [TestCase(new long[] { 0, 0 }, 2, new[] { 0, 0, 2 })]
    [TestCase(new long[0], 2, new[] { 0, 0, 0 })]
    public void Share_PartsAreContiguousAndOfAboutTheSameWeight(long[] weights, int size, int[] edges)
    {
        var parts = ThreadWorld.Run(size, world => world.Share(weights));
        for (var r = 0; r < size; r++)
        {
            Assert.That(parts[r], Is.EqualTo(edges[r]..edges[r + 1]), $"rank {r}");
        }
    }

    private static Taken Take(GrpoOptions options, IWorld world)
    {
        using World run = new(options, Texts, ranks: world, judge: options.Judge.Enabled ? ScriptedJudge.LikesA : null);
        List<string> samples = [];
        StepReport report = run.Step(1);
        for (var step = 2; step <= 3; step++)
        {
            samples.AddRange(report.Samples.Select(s => $"{s.Text} {s.Transcript} {s.Advantage:R}"));
            report = run.Step(step);
        }

        return new Taken(
            samples, run.Loop.DataPosition, [.. run.Policy.Logits],
            report.Metrics.Values.Where(v => !v.Key.StartsWith("seconds/", StringComparison.Ordinal) && !v.Key.StartsWith("speed/", StringComparison.Ordinal) && !v.Key.StartsWith("memory/", StringComparison.Ordinal)).ToDictionary(v => v.Key, v => v.Value));
    }

    private sealed record Taken(List<string> Samples, long Position, double[] Logits, Dictionary<string, double> Metrics);
}
