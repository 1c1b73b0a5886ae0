using LlasaNative.Configuration;
using LlasaNative.Training.Tests.Fakes;

namespace LlasaNative.Training.Tests;

/// <summary>Preferences between samples that were just drawn.</summary>
public sealed class OnlineDpoTests
{
    private static GrpoOptions Options(int samples = 2, string objective = "dpo(beta=0.5)") =>
        World.Settings(1, samples) with { Loss = new LossOptions { Objective = objective, Advantage = "dr_grpo", Reference = ReferenceKind.F32 } };

    [Test]
    public void Step_MovesTheWeightsByTheGradientWorkedOutByHand()
    {
        // Sample 0 says "ab" (0 1 3) and is right, sample 1 says aaaa (0 0 0 0) and is wrong; the policy is its own reference yet, so the
        // slope by the difference is -beta / 2, and that of a log-prob by a logit [is this token] - p.
        using World world = new(Options(), ["ab"], World.EvenOnesAreRight);
        var p = world.Policy.Log(1).Select(Math.Exp).ToArray();
        world.Step();
        double[] counts = [1 - 4, 1, 0, 1];
        Assert.That(world.Trainer.LastGradient, Is.EqualTo(counts.Select((c, i) => -0.25 * (c - ((3 - 4) * p[i])))).Within(1e-6));
        Assert.That(world.Policy.Copies, Is.EqualTo(1));
    }

    [Test]
    public void Step_TakesTheBestAndTheWorstOfEachGroup_AndNothingOfEqualOnes()
    {
        // Tokens 0 0 are right for "aa"; of four samples the first is right, the others are not: the first of those equals is the worst.
        int[] Say(string text, int sample) => text == "c" ? [2, TablePolicy.End] : sample == 0 ? [0, 0, TablePolicy.End] : [1, TablePolicy.End];
        var options = Options(4);
        using World world = new(options with { Rollout = options.Rollout with { PromptsPerStep = 2 }, Loss = options.Loss with { MaskFlatGroups = false } }, ["aa", "c"], Say);
        world.Step();
        var terms = world.Trainer.Accumulated.Single().Terms;
        Assert.Multiple(() =>
        {
            Assert.That(terms.PolicyWeights.Count(w => w != 0), Is.EqualTo(3 + 2));
            Assert.That(terms.Advantages[..3], Is.All.EqualTo(0.25f));
            Assert.That(terms.Advantages.Where(a => a < 0), Is.EqualTo(new[] { -0.25f, -0.25f }));
        });
    }

    [Test]
    public void Step_WhereNothingIsPreferred_ChangesNothing()
    {
        var options = Options();
        using World world = new(options with { Loss = options.Loss with { MaskFlatGroups = false } }, ["c"], (_, _) => [2, TablePolicy.End]);
        double[] before = [.. world.Policy.Logits.Select(l => (double)(float)l)];   // what the table's trainer rounds to
        world.Step();
        Assert.That(world.Policy.Logits, Is.EqualTo(before));
    }

    [Test]
    public void Training_LearnsWhatIsRewarded()
    {
        var options = Options(8) with { Run = new RunOptions { Steps = 40, SamplesEvery = 0 } };
        using World world = new(options, ["a"]);
        double Right() => Math.Exp(world.Policy.LogProb(0) + world.Policy.LogProb(TablePolicy.End));
        world.Run(new Memory());
        Assert.That(Right(), Is.GreaterThan(0.2), "less than 0.1 at first, at best 1/4");
    }

    [Test]
    public void Options_ThatContradictIt_AreRefused()
    {
        static string Faults(params string[] set) => Assert.Throws<UsageException>(() => OptionTree.Build<GrpoOptions>(OptionAssignment.Read(null, ["algorithm=online_dpo", .. set])))!.Message;
        Assert.Multiple(() =>
        {
            Assert.That(OptionTree.Build<GrpoOptions>(OptionAssignment.Read(null, ["algorithm=online_dpo"])).Loss.KeepsReference);
            Assert.That(Faults("loss.reference=none"), Does.Contain("needs a reference"));
            Assert.That(Faults("update.epochs=2"), Does.Contain("makes one update of a step"));
            Assert.That(Faults("rollout.samples_per_prompt=1"), Does.Contain("must be at least 2"));
            Assert.That(Faults("loss.objective=dpo(kind=best)"), Does.Contain("dpo, ipo, dpo_norm, simpo"));
            Assert.That(Faults("loss.objective=dpo(kind=ipo, label_smoothing=0.1)"), Does.Contain("ipo has no label smoothing"));
        });
    }
}
