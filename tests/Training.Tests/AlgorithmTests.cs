using LlasaNative.Configuration;
using LlasaNative.Rewards;
using LlasaNative.Training.Tests.Fakes;

namespace LlasaNative.Training.Tests;

/// <summary>What every algorithm hands to the trainer, against its formula.</summary>
public sealed class AlgorithmTests
{
    // Text "ab": right, aaaa, right, aaaa; text "c": right, cccc, right, cccc.
    private static readonly string[] Texts = ["ab", "c"];

    [TestCase("grpo", GroupBaseline.StandardScore)]
    [TestCase("dr_grpo", GroupBaseline.Mean)]
    [TestCase("rloo", GroupBaseline.MeanOfOthers)]
    public void Group_AdvantagesAreThoseOfThePaper(string estimator, GroupBaseline baseline)
    {
        using var world = Taken(l => l with { Advantage = estimator }, out var report);
        double[] group = [1, 0, 1, 0];
        double[] expected = [.. group.Concat(group).Select(r => PlainAdvantages.Of(baseline, r, group, 1e-6))];
        var terms = world.Trainer.Accumulated.Single().Terms;
        Assert.Multiple(() =>
        {
            Assert.That(report.Samples.Select(s => s.Advantage), Is.EqualTo(expected).Within(1e-6));
            Assert.That(terms.Advantages, Is.EqualTo(PerToken(report, expected)).Within(1e-6));
        });
    }

    [TestCase("reinforce_plus_plus", 0)]
    [TestCase("reinforce_plus_plus_baseline", 0.5)]
    public void Reinforce_WhitensOverAllTokens(string estimator, double baseline)
    {
        using var world = Taken(l => l with { Advantage = estimator }, out var report);
        var returns = PerToken(report, [.. report.Samples.Select(s => s.Judgement.Reward - baseline)]);
        var mean = returns.Average();
        var deviation = Math.Sqrt((returns.Sum(r => (r - mean) * (r - mean)) / (returns.Length - 1)) + 1e-8);
        Assert.That(world.Trainer.Accumulated.Single().Terms.Advantages, Is.EqualTo(returns.Select(r => (r - mean) / deviation)).Within(1e-6));
    }

    [Test]
    public void Aggregation_IsAWeightPerToken([Values] LossAggregation aggregation)
    {
        using var world = Taken(l => l with { Aggregation = aggregation }, out var report);
        var lengths = Lengths(report);
        double[] perSample = [.. lengths.Select(length => aggregation switch
        {
            LossAggregation.TokenMean => 1.0 / lengths.Sum(),
            LossAggregation.SequenceMean => 1.0 / (lengths.Length * length),
            _ => 1.0 / (lengths.Length * 4),   // the longest response allowed
        })];
        Assert.That(world.Trainer.Accumulated.Single().Terms.PolicyWeights, Is.EqualTo(PerToken(report, perSample)).Within(1e-7));
    }

    [TestCaseSource(typeof(AlgorithmPresets), nameof(AlgorithmPresets.Names))]
    public void Presets_AreTheirPapersClipRangesAndRatios(string algorithm)
    {
        var options = OptionTree.Build<GrpoOptions>([new OptionAssignment("algorithm", algorithm, "test")]);
        var settings = World.Settings(2, 4);
        using World world = new(settings with { Loss = options.Loss, Rollout = settings.Rollout with { DynamicRounds = options.Rollout.DynamicRounds } }, Texts, World.EvenOnesAreRight);
        world.Step();
        var (_, terms, shape) = world.Trainer.Accumulated.Single();
        Assert.Multiple(() =>
        {
            Assert.That(shape.Ratio, Is.EqualTo(algorithm == "gspo" ? RatioLevel.Sequence : RatioLevel.Token));
            Assert.That((shape.ClipLow, shape.ClipHigh), Is.EqualTo(algorithm switch
            {
                "gspo" => (3e-4, 4e-4),
                "dapo" => (0.2, 0.28),
                _ => (0.2, 0.2),
            }));
            Assert.That(terms.PolicyWeights.Min(), algorithm == "online_dpo" ? Is.Zero : Is.Positive, "of four samples it takes two");
            Assert.That(world.Policy.Logits[3], Is.GreaterThan(0.5), "ending is what the good samples do");
        });
    }

    [Test]
    public void Kl_InTheLoss_IsAWeightAgainstTheStartingPolicy()
    {
        using World world = new(World.Settings(2, 4) with { Loss = new LossOptions { KlCoefficient = 0.1 } }, Texts, World.EvenOnesAreRight);
        var start = world.Policy.Log(1);
        world.Step(1);
        world.Step(2);
        var (tokens, terms, _) = world.Trainer.Accumulated[1];
        Assert.Multiple(() =>
        {
            Assert.That(world.Policy.Copies, Is.EqualTo(1));
            Assert.That(terms.KlWeights, Is.EqualTo(tokens.Select(_ => 0.1 / tokens.Length)).Within(1e-7));
            Assert.That(terms.ReferenceLogProbs, Is.EqualTo(tokens.Select(t => start[t])).Within(1e-6), "the start's, not the present");
            Assert.That(terms.OldLogProbs[0], Is.Not.EqualTo(terms.ReferenceLogProbs[0]));
        });
    }

    [Test]
    public void Kl_OfAnAdapter_ComparesWithThePolicyWithoutIt()
    {
        double[] adapter = [0.5, 0, 0, 0];
        using World world = new(World.Settings(2, 4) with { Loss = new LossOptions { KlCoefficient = 0.1 } }, Texts, World.EvenOnesAreRight, adapter);
        world.Policy.UseAdapter(false);
        var without = world.Policy.Log(1);
        world.Policy.UseAdapter(true);
        world.Step();
        var (tokens, terms, _) = world.Trainer.Accumulated.Single();
        Assert.Multiple(() =>
        {
            Assert.That(world.Policy.Copies, Is.Zero, "no second copy of the weights");
            Assert.That(world.Policy.AdapterIsOn);
            Assert.That(terms.ReferenceLogProbs, Is.EqualTo(tokens.Select(t => without[t])).Within(1e-6));
        });
    }

    [Test]
    public void Kl_InTheReward_IsTakenFromWhatGroupsAreJudgedBy()
    {
        // The reference knows another adapter: what a sample is charged is the sum over its tokens of log-prob minus reference.
        LossOptions loss = new() { KlCoefficient = 0.2, KlPlacement = KlPlacement.Reward, KlEstimator = KlEstimator.K1, Advantage = "dr_grpo" };
        using World world = new(World.Settings(1, 4) with { Loss = loss }, ["ab"], World.EvenOnesAreRight, [0.7, 0, 0, 0]);
        var with = world.Policy.Log(1);
        world.Policy.UseAdapter(false);
        var without = world.Policy.Log(1);
        world.Policy.UseAdapter(true);
        var report = world.Step();
        double[] charged = [.. Enumerable.Range(0, 4).Select(j => World.EvenOnesAreRight("ab", j)).Select((tokens, j) =>
            (j % 2 == 0 ? 1 : 0) - (0.2 * tokens.Sum(t => with[t] - without[t])))];
        Assert.Multiple(() =>
        {
            Assert.That(report.Samples.Select(s => s.Advantage), Is.EqualTo(charged.Select(c => c - charged.Average())).Within(1e-6));
            Assert.That(world.Trainer.Accumulated.Single().Terms.KlWeights, Is.Empty);
        });
    }

    [TestCase(KlPlacement.Loss, 1)]
    [TestCase(KlPlacement.Reward, 0)]
    public void Kl_InTheReward_MakesGroupsOfEqualRewardsDiffer(KlPlacement placement, int flat)
    {
        // Both samples are wrong, but the reference charges code 0 more.
        LossOptions loss = new() { KlCoefficient = 0.2, KlPlacement = placement, KlEstimator = KlEstimator.K1 };
        using World world = new(World.Settings(1) with { Loss = loss }, ["ab"], (_, j) => [j, TablePolicy.End], [0.7, 0, 0, 0]);
        Assert.That(world.Step().Metrics["rollout/groups_flat"], Is.EqualTo(flat));
    }

    [Test]
    public void Importance_WeighsEachTokenDownToTheCap()
    {
        using var world = Taken(l => l with { Importance = ImportanceLevel.Token, ImportanceCap = 0.7 }, out var report);
        // Tokens were really drawn with a probability e^0.25 higher: weights e^-0.25 = 0.7788, cut at 0.7.
        var lengths = Lengths(report);
        Assert.Multiple(() =>
        {
            Assert.That(world.Trainer.Accumulated.Single().Terms.PolicyWeights, Is.EqualTo(PerToken(report, [.. lengths.Select(_ => 0.7 / lengths.Sum())])).Within(1e-7));
            Assert.That(report.Metrics["policy/importance"], Is.EqualTo(0.7).Within(1e-6));
            Assert.That(report.Metrics["policy/importance_truncated"], Is.EqualTo(lengths.Sum()));
        });
    }

    [Test]
    public void DualClip_BoundsTheTermOfBadTokensOnly()
    {
        using var world = Taken(l => l with { DualClip = 3 }, out _);
        var terms = world.Trainer.Accumulated.Single().Terms;
        Assert.That(terms.PolicyCaps, Is.EqualTo(terms.Advantages.Select(a => a < 0 ? -3 * a : float.PositiveInfinity)).Within(1e-6f));
    }

    [Test]
    public void Reward_OfSeveralParts_IsTheirWeightedSum()
    {
        var settings = World.Settings(1, 2) with { Reward = new RewardOptions { Mode = RewardMode.Seed, Components = "exact=2,overlong(share=0.5)=1" } };
        using World world = new(settings, ["ab"], World.EvenOnesAreRight);
        var report = world.Step();
        // Most tokens are 4, the last 2 of them cost up to 1: 3 tokens cost 0.5, 4 cost 1.
        Assert.That(report.Samples.Select(s => s.Judgement.Reward), Is.EqualTo(new[] { 2 - 0.5, 0 - 1.0 }).Within(1e-9));
    }

    private static World Taken(Func<LossOptions, LossOptions> loss, out StepReport report)
    {
        World world = new(World.Settings(2, 4) with { Loss = loss(new LossOptions()) }, Texts, World.EvenOnesAreRight);
        report = world.Step();
        return world;
    }

    private static int[] Lengths(StepReport report) => [.. report.Samples.Select(s => s.Codes.Count + (s.Ended ? 1 : 0))];

    private static double[] PerToken(StepReport report, double[] perSample) =>
        [.. Lengths(report).SelectMany((length, i) => Enumerable.Repeat(perSample[i], length))];
}
