using LlasaNative.Rewards;
using LlasaNative.Training.Tests.Fakes;

namespace LlasaNative.Training.Tests;

/// <summary>Which samples count: dynamic sampling, groups without variance, masks, samples nobody could listen to.</summary>
public sealed class GroupTests
{
    // Only groups of the text "ab" have both right and wrong samples; all of "b" are right, all of "c" wrong.
    private static int[] OnlyAbVaries(string text, int sample) => text switch
    {
        "b" => [1, TablePolicy.End],
        "c" => [0, 0, TablePolicy.End],
        _ => World.EvenOnesAreRight(text, sample),
    };

    private static GrpoOptions Dynamic(int rounds)
    {
        var settings = World.Settings();
        return settings with { Rollout = settings.Rollout with { DynamicRounds = rounds } };
    }

    [Test]
    public void DynamicSampling_DrawsFlatGroupsAgain_FromTheNextTexts()
    {
        // Round 1: b, ab; b is flat, so round 2 draws c, flat again; round 3 draws ab.
        using World world = new(Dynamic(5), ["b", "ab", "c", "ab"], OnlyAbVaries);
        var report = world.Step();
        Assert.Multiple(() =>
        {
            Assert.That(report.Samples.Select(s => s.Text), Is.EqualTo(new[] { "ab", "ab", "ab", "ab" }));
            Assert.That(report.Metrics["rollout/rounds"], Is.EqualTo(3));
            Assert.That(report.Metrics["rollout/groups_redrawn"], Is.EqualTo(2));
            Assert.That(report.Metrics["rollout/groups_flat"], Is.Zero);
            Assert.That(world.Loop.DataPosition, Is.EqualTo(4));
            // 2 + 2, 3 + 4 in round 1, then 3 + 3, then 3 + 4: discarded ones count.
            Assert.That(report.Metrics["rollout/tokens"], Is.EqualTo(24));
            Assert.That(world.Policy.Ids, Is.EqualTo(new ulong[] { 0, 1, 2, 3, 4, 5, 6, 7 }));
        });
    }

    [Test]
    public void DynamicSampling_BeginsTheNextStepWhereTheLastEnded()
    {
        using World world = new(Dynamic(5), ["b", "ab", "c", "ab"], OnlyAbVaries);
        world.Step(1);
        var second = world.Step(2);
        Assert.That(world.Loop.DataPosition, Is.EqualTo(8));
        Assert.That(second.Metrics["rollout/rounds"], Is.EqualTo(3));
    }

    [Test]
    public void DynamicSampling_EndsAtItsBound_AndLeavesFlatGroupsOut()
    {
        using World world = new(Dynamic(2), ["b", "ab", "c", "c"], OnlyAbVaries);
        var report = world.Step();
        var terms = world.Trainer.Accumulated.Single().Terms;
        Assert.Multiple(() =>
        {
            Assert.That(report.Samples.Select(s => s.Text), Is.EqualTo(new[] { "ab", "ab", "c", "c" }));
            Assert.That(report.Metrics["rollout/rounds"], Is.EqualTo(2));
            Assert.That(report.Metrics["rollout/groups_flat"], Is.EqualTo(1));
            Assert.That(terms.PolicyWeights, Is.EqualTo(new[] { 1 / 7f, 1 / 7f, 1 / 7f, 1 / 7f, 1 / 7f, 1 / 7f, 1 / 7f, 0, 0, 0, 0, 0, 0 }), "the tokens of ab alone");
        });
    }

    [Test]
    public void FlatGroups_CountWhenNobodyMasksThem()
    {
        using World world = new(World.Settings() with { Loss = new LossOptions { MaskFlatGroups = false } }, ["ab", "c"], OnlyAbVaries);
        world.Step();
        var terms = world.Trainer.Accumulated.Single().Terms;
        Assert.That(terms.PolicyWeights, Is.All.EqualTo(1 / 13f), "7 tokens of ab, 6 of c");
        Assert.That(terms.Advantages[7..], Is.All.Zero);
    }

    [Test]
    public void Step_OfFlatGroupsOnly_ChangesNothing()
    {
        using World world = new(World.Settings(), ["b", "c"], OnlyAbVaries);
        double[] before = [.. world.Policy.Logits];
        var report = world.Step();
        Assert.Multiple(() =>
        {
            Assert.That(world.Policy.Logits, Is.EqualTo(before));
            Assert.That(world.Policy.Calls, Does.Not.Contain("accumulate").And.Not.Contain("apply"));
            Assert.That(report.Metrics["optimiser/skipped"], Is.EqualTo(1));
        });
    }

    [Test]
    public void GroupsThatHardlyDiffer_AreFlatBelowTheBound()
    {
        // Rewards 1 and 0: their unbiased deviation is 0.7071.
        using World below = new(World.Settings(1) with { Loss = new LossOptions { MinGroupDeviation = 0.7072 } }, ["ab"], OnlyAbVaries);
        using World above = new(World.Settings(1) with { Loss = new LossOptions { MinGroupDeviation = 0.7071 } }, ["ab"], OnlyAbVaries);
        Assert.That((below.Step().Metrics["rollout/groups_flat"], above.Step().Metrics["rollout/groups_flat"]), Is.EqualTo((1.0, 0.0)));
    }

    [Test]
    public void Sample_NobodyCouldListenTo_IsLeftOutOfItsGroupAndOfTheLoss()
    {
        // Samples of ab: right, wrong, right, wrong, of which the last cannot be listened to; half may fail.
        var calls = 0;
        using World world = new(World.Settings(1, 4) with { RewardServer = new RewardServerOptions { MaxNotScored = 0.5 } }, ["ab"], OnlyAbVaries);
        world.Recognition.Fails = (_, _) => ++calls == 4;
        var report = world.Step();
        double[] scored = [1, 0, 1];
        double[] expected = [.. scored.Select(r => PlainAdvantages.Of(GroupBaseline.StandardScore, r, scored, 1e-6)), 0];
        var terms = world.Trainer.Accumulated.Single().Terms;
        Assert.Multiple(() =>
        {
            Assert.That(report.Metrics["reward/not_scored"], Is.EqualTo(1));
            Assert.That(report.Metrics["reward/mean"], Is.EqualTo(2 / 3.0).Within(1e-12), "of those that were heard");
            Assert.That(report.Samples.Select(s => s.Advantage), Is.EqualTo(expected).Within(1e-6));
            Assert.That(terms.PolicyWeights.Select(w => w > 0), Is.EqualTo(Enumerable.Range(0, 14).Select(n => n < 10)), "3 + 4 + 3 tokens count, the last 4 do not");
            Assert.That(report.Summary, Does.Contain("NOT SCORED 1: nobody is there"));
        });
    }

    [Test]
    public void Step_TooFewSamplesSpeakFor_IsGivenUpBeforeItChangesAnything()
    {
        using World world = new(World.Settings() with { RewardServer = new RewardServerOptions { MaxNotScored = 0.25 } }, ["ab", "b"], OnlyAbVaries);
        world.Recognition.Fails = (text, _) => text == "b";
        double[] before = [.. world.Policy.Logits];
        Assert.Multiple(() =>
        {
            Assert.That(() => world.Step(), Throws.TypeOf<RewardUnavailableException>()
                .With.Message.EqualTo("step 1: 2 of 4 samples could not be scored, more than reward_server.max_not_scored 0.25 allows: nobody is there"));
            Assert.That(world.Policy.Logits, Is.EqualTo(before));
            Assert.That(world.Loop.DataPosition, Is.Zero);
        });
        world.Recognition.Fails = (_, _) => false;
        Assert.That(world.Step().Samples, Has.Count.EqualTo(4), "and is taken again");
    }

    [Test]
    public void UnfinishedSamples_AreLeftOut_WhenTheRewardSaysSo()
    {
        var settings = World.Settings(1, 4) with { Reward = new RewardOptions { Mode = RewardMode.Guarded, Normalization = TextNormalization.None, Components = "exact=1", Unfinished = RefusalPolicy.Mask } };
        using World world = new(settings, ["ab"], (text, j) => j == 1 ? [1, TablePolicy.End] : World.EvenOnesAreRight(text, j));
        var report = world.Step();
        // Sample 3 hit the cap; the others have rewards 1, 0, 1.
        double[] scored = [1, 0, 1];
        Assert.Multiple(() =>
        {
            Assert.That(report.Metrics["reward/masked"], Is.EqualTo(0.25));
            Assert.That(report.Samples.Select(s => s.Advantage), Is.EqualTo(scored.Select(r => PlainAdvantages.Of(GroupBaseline.StandardScore, r, scored, 1e-6)).Append(0)).Within(1e-6));
        });
    }

    [TestCase(RefusalPolicy.Keep, 0, 0.0)]
    [TestCase(RefusalPolicy.Zero, 2, 0.0)]
    [TestCase(RefusalPolicy.Mask, 2, 0.5)]
    public void SamplesBeyondTheWindow_AreCounted_AndRefusedWhenTheRewardSaysSo(RefusalPolicy policy, int refused, double masked)
    {
        // Samples 0 and 2 say the text with two codes; 1 and 3 are four codes long, and end.
        RewardOptions reward = new() { Mode = RewardMode.Guarded, Normalization = TextNormalization.None, Components = "exact=1", BeyondWindow = policy };
        var settings = World.Settings(1, 4) with { Reward = reward };
        settings = settings with { Rollout = settings.Rollout with { MaxNewTokens = 5 } };
        using World world = new(settings, ["ab"], (text, j) => j % 2 == 0 ? World.EvenOnesAreRight(text, j) : [.. World.EvenOnesAreRight(text, j), TablePolicy.End]);
        world.Recognition.Window = 3;
        var report = world.Step();
        Assert.Multiple(() =>
        {
            Assert.That(report.Metrics["reward/beyond_window"], Is.EqualTo(2));
            Assert.That(report.Metrics["reward/masked"], Is.EqualTo(masked));
            Assert.That(report.Samples.Select(s => s.Judgement.BeyondWindow), Is.EqualTo(new[] { false, true, false, true }));
            Assert.That(report.Samples.Count(s => s.Judgement.Breakdown.Reason == RewardReason.BeyondWindow), Is.EqualTo(refused));
        });
    }
}
