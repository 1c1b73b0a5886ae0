using LlasaNative.Training.Tests.Fakes;

namespace LlasaNative.Training.Tests;

/// <summary>One step from texts to weights; every number worked out by hand or in a few lines here.</summary>
public sealed class StepTests
{
    [Test]
    public void Step_MovesTheWeightsByTheGradientWorkedOutByHand()
    {
        // One text "ab": sample 0 says it (tokens 0 1 3), sample 1 says aaaa (tokens 0 0 0 0) and gets nothing.
        using World world = new(World.Settings(prompts: 1), ["ab"], World.EvenOnesAreRight);
        double[] before = [.. world.Policy.Logits];
        var p = world.Policy.Log(1).Select(Math.Exp).ToArray();

        var report = world.Step();

        // Rewards 1 and 0 have mean 0.5 and unbiased deviation sqrt(0.5): advantages ±0.5 / (sqrt(0.5) + 1e-6).
        var advantage = 0.5 / (Math.Sqrt(0.5) + 1e-6);
        // Ratios are 1, so d loss / d log-prob of each of the 7 tokens is -advantage / 7, and that of a log-prob by a logit is
        // [is this token] - p: sample 0 counts 3 tokens (0, 1, 3), sample 1 four (0).
        double[] sums = [3 - 0, 0, 0, 0];
        sums = [(1 - (3 * p[0])) - (4 - (4 * p[0])), 1 - (3 * p[1]) + (4 * p[1]), (-3 * p[2]) + (4 * p[2]), 1 - (3 * p[3]) + (4 * p[3])];
        double[] gradient = [.. sums.Select(s => -advantage / 7 * s)];
        Assert.Multiple(() =>
        {
            // Advantages and weights are floats: 2^-24 each of numbers below 1, and a gradient sums 7 of their products.
            for (var i = 0; i < 4; i++)
            {
                Assert.That(world.Trainer.LastGradient[i], Is.EqualTo(gradient[i]).Within(1e-6));
                Assert.That(world.Policy.Logits[i], Is.EqualTo(before[i] - (0.5 * gradient[i])).Within(1e-6));
            }

            Assert.That(report.Samples.Select(s => s.Judgement.Reward), Is.EqualTo(new[] { 1.0, 0 }));
            Assert.That(report.Samples.Select(s => s.Advantage), Is.EqualTo(new[] { advantage, -advantage }).Within(1e-6));
            Assert.That(report.Samples.Select(s => s.Ended), Is.EqualTo(new[] { true, false }));
            Assert.That(report.Metrics["reward/mean"], Is.EqualTo(0.5));
            Assert.That(report.Metrics["optimiser/grad_norm"], Is.EqualTo(Math.Sqrt(gradient.Sum(g => g * g))).Within(1e-6));
            Assert.That(report.Metrics["policy/ratio"], Is.EqualTo(1).Within(1e-6));
            Assert.That(report.Metrics["policy/logprob_gap_max"], Is.LessThan(1e-6), "what was recorded is what is computed");
            Assert.That(world.Trainer.StepCount, Is.EqualTo(1));
        });
    }

    [Test]
    public void Step_CallsTheStagesInOrder()
    {
        using World world = new(World.Settings(), ["ab", "b", "c"], World.EvenOnesAreRight);
        world.Step();
        Assert.That(world.Policy.Calls, Is.EqualTo(new[] { "sample", "accumulate", "apply" }));
        Assert.That(world.Recognition.Recognised, Is.EqualTo(4));
    }

    [Test]
    public void Step_ListeningWhileOthersAreDrawn_ChangesNothing()
    {
        using World after = new(World.Settings(), ["ab", "b", "c"], World.EvenOnesAreRight);
        using World meanwhile = new(World.Settings(), ["ab", "b", "c"], World.EvenOnesAreRight, besidePolicy: true);
        var (a, b) = (after.Step(), meanwhile.Step());
        Assert.Multiple(() =>
        {
            Assert.That(meanwhile.Policy.Logits, Is.EqualTo(after.Policy.Logits));
            Assert.That(b.Samples.Select(s => s.Transcript), Is.EqualTo(a.Samples.Select(s => s.Transcript)));
        });
    }

    [Test]
    public void Steps_KeySamplesByTheirPlaceInTheWalkThroughTheTexts()
    {
        using World world = new(World.Settings(), ["ab", "b", "c"], World.EvenOnesAreRight);
        var first = world.Step(1);
        var second = world.Step(2);
        Assert.Multiple(() =>
        {
            Assert.That(first.Samples.Select(s => s.Text), Is.EqualTo(new[] { "ab", "ab", "b", "b" }));
            Assert.That(second.Samples.Select(s => s.Text), Is.EqualTo(new[] { "c", "c", "ab", "ab" }));
            Assert.That(world.Policy.Ids, Is.EqualTo(new ulong[] { 0, 1, 2, 3, 4, 5, 6, 7 }));
            Assert.That(world.Loop.DataPosition, Is.EqualTo(4));
        });
    }

    [Test]
    public void Step_IsAFunctionOfItsNumberAndTheWeights()
    {
        using World one = new(World.Settings(4, 8), ["ab", "b", "c"]);
        using World other = new(World.Settings(4, 8), ["ab", "b", "c"]);
        var expected = one.Step(5);
        var actual = other.Step(5);
        Assert.Multiple(() =>
        {
            Assert.That(actual.Samples.Select(s => s.Transcript), Is.EqualTo(expected.Samples.Select(s => s.Transcript)));
            Assert.That(other.Policy.Logits, Is.EqualTo(one.Policy.Logits));
        });
    }

    [Test]
    public void Step_WithAGradientThatIsNotFinite_IsSkippedAndCounted()
    {
        using World world = new(World.Settings(), ["ab", "b"], World.EvenOnesAreRight);
        double[] before = [.. world.Policy.Logits];
        world.Trainer.Explode = true;
        var report = world.Step();
        Assert.Multiple(() =>
        {
            Assert.That(report.Metrics["optimiser/skipped"], Is.EqualTo(1));
            Assert.That(world.Policy.Logits, Is.EqualTo(before));
            Assert.That(world.Trainer.StepCount, Is.Zero);
        });
    }

    [Test]
    public void Loop_RefusesTextsThatDoNotFit()
    {
        Assert.Multiple(() =>
        {
            Assert.That(() => new World(World.Settings(), ["a", "unheard of"]), Throws.TypeOf<UsageException>().With.Message.Contains("recogniser"));
            Assert.That(() => new World(World.Settings() with { Data = new DataOptions { MaxPromptTokens = 2 } }, ["a", "abc"]), Throws.TypeOf<UsageException>());
        });
    }

    [Test]
    public void Loop_LeavesThePolicyToItsOwnerAndTakesItsTrainerAlong()
    {
        World world = new(World.Settings(), ["ab"]);
        world.Dispose();
        Assert.That(world.Policy.Calls, Is.EqualTo(new[] { "dispose trainer", "dispose" }));
    }

    [Test]
    public void Sft_IsCrossEntropy()
    {
        TablePolicy policy = new();
        TableTrainer trainer = new(policy);
        SftOptions options = new() { Sft = new SftLossOptions { BatchSize = 2 }, Data = new DataOptions { Shuffle = false }, Optimiser = new OptimiserOptions { LearningRate = 0.5, WarmupSteps = 0 } };
        using SftLoop loop = new(options, policy, trainer, [EncodedUtterance.Of(policy, new Data.Utterance("a", [0])), EncodedUtterance.Of(policy, new Data.Utterance("b", [1, 1]))]);
        var l = policy.Log(1);
        var report = loop.TakeStep(1, false, CancellationToken.None);
        // Tokens 0 3 and 1 1 3: the mean of their negative log-probs; the gradient of a logit is p - its share of the tokens.
        double[] shares = [1 / 5.0, 2 / 5.0, 0, 2 / 5.0];
        Assert.Multiple(() =>
        {
            Assert.That(report.Metrics["sft/loss"], Is.EqualTo(-(l[0] + l[3] + l[1] + l[1] + l[3]) / 5).Within(1e-6));
            Assert.That(report.Metrics["sft/tokens"], Is.EqualTo(5));
            Assert.That(trainer.LastGradient, Is.EqualTo(shares.Select((s, i) => Math.Exp(l[i]) - s)).Within(1e-6));
            Assert.That(loop.DataPosition, Is.EqualTo(2));
        });
    }
}
