using LlasaNative.Training.Tests.Fakes;

namespace LlasaNative.Training.Tests;

/// <summary>Runs: checkpoints, resuming, what may differ, what stops them.</summary>
public sealed class RunTests
{
    private static readonly string[] Texts = ["ab", "b", "c", "ba", "ca"];

    private static World Make(GrpoOptions? options = null) => new(options ?? Options, Texts);

    private static GrpoOptions Options
    {
        get
        {
            var settings = World.Settings(3, 4);
            return settings with { Rollout = settings.Rollout with { DynamicRounds = 3 } };
        }
    }

    [Test]
    public void Run_KilledAfterAnyStepAndResumed_EndsWithTheSameBits()
    {
        using var undisturbed = Make();
        Memory whole = new();
        undisturbed.Run(whole);
        for (var last = 1; last < 6; last++)
        {
            Memory memory = new();
            using (var killed = Make())
            {
                Assert.That(() => killed.Run(memory, onStep: r => { if (r.Metrics.Step == last) { throw new OperationCanceledException(); } }), Throws.TypeOf<OperationCanceledException>());
            }

            using var resumed = Make();
            var outcome = resumed.Run(memory);
            Assert.Multiple(() =>
            {
                Assert.That(outcome, Is.EqualTo(new RunOutcome(6, true, outcome.Seconds, "6")));
                Assert.That(resumed.Policy.Logits, Is.EqualTo(undisturbed.Policy.Logits), $"killed after step {last}");
                Assert.That(resumed.Loop.DataPosition, Is.EqualTo(undisturbed.Loop.DataPosition));
                Assert.That(memory.Reports.Select(r => r.Metrics["reward/mean"]), Is.EqualTo(whole.Reports.Select(r => r.Metrics["reward/mean"])));
                Assert.That(memory.Reports.SelectMany(r => r.Samples).Select(s => s.Transcript), Is.EqualTo(whole.Reports.SelectMany(r => r.Samples).Select(s => s.Transcript)));
            });
        }
    }

    [Test]
    public void Run_SavesWhenDueAndAtTheEnd()
    {
        using var world = Make(Options with { Run = Options.Run with { Steps = 5 } });
        Memory memory = new();
        world.Run(memory);
        Assert.That(memory.Saved, Is.EqualTo(new long[] { 2, 4, 5 }));
    }

    [Test]
    public void Run_ThatStartsAnew_ForgetsWhatCameLater()
    {
        Memory memory = new();
        using (var first = Make())
        {
            first.Run(memory);
        }

        using var anew = Make();
        anew.Run(memory, Options with { Run = Options.Run with { Steps = 3 } }, resume: "never");
        Assert.That(memory.Saved, Is.EqualTo(new long[] { 2, 3 }));
        Assert.That(memory.Reports, Has.Count.EqualTo(3));
    }

    [Test]
    public void Run_ResumesOnlyWithOptionsThatChangeNothing()
    {
        Memory memory = new();
        using (var first = Make())
        {
            first.Run(memory);
        }

        var more = Options with { Run = Options.Run with { Steps = 8, Keep = 7 } };
        using var refused = Make();
        using var taken = Make(more);
        Assert.Multiple(() =>
        {
            Assert.That(() => refused.Run(memory, Options with { Loss = new LossOptions { ClipHigh = 0.3 } }),
                Throws.TypeOf<UsageException>().With.Message.Contains("`loss.clip_high` was 0.2, is 0.3"));
            Assert.That(taken.Run(memory, more).Step, Is.EqualTo(8), "a constant rate does not depend on the number of steps");
        });
    }

    [Test]
    public void Run_WhoseRewardsFail_SavesAndGoesOnToTheSameBits()
    {
        using var undisturbed = Make();
        undisturbed.Run(new Memory());
        Memory memory = new();
        using (var failing = Make())
        {
            Assert.That(() => failing.Run(memory, onStep: r => failing.Recognition.Fails = (_, _) => r.Metrics.Step >= 3), Throws.TypeOf<RewardUnavailableException>()
                .With.Message.Contains("nobody is there; saved 3 after step 3, from which --resume auto goes on"));
        }

        Assert.That(memory.Saved, Is.EqualTo(new long[] { 2, 3 }));
        using var resumed = Make();
        resumed.Run(memory);
        Assert.That(resumed.Policy.Logits, Is.EqualTo(undisturbed.Policy.Logits));
    }

    [Test]
    public void Training_OnAnEasyReward_LearnsIt()
    {
        // "a" is said by code 0 and the end: at best both have a probability of 1/2, and a sample is right with 1/4.
        var settings = World.Settings(4, 8);
        using World world = new(settings with { Run = settings.Run with { Steps = 40 } }, ["a"]);
        double Right() => Math.Exp(world.Policy.LogProb(0) + world.Policy.LogProb(TablePolicy.End));
        var before = Right();
        world.Run(new Memory());
        Assert.That(before, Is.LessThan(0.1));
        Assert.That(Right(), Is.GreaterThan(0.2));
    }
}
