using LlasaNative.Reporting;
using LlasaNative.Training.Tests.Fakes;

namespace LlasaNative.Training.Tests;

/// <summary>Bounds that end a run.</summary>
public sealed class WatchTests
{
    private static MetricRow Row(long step, params (string Name, double Value)[] values) => values.Aggregate(new MetricRow(step), (row, v) => row.Add(v.Name, v.Value));

    private static int? EndsAt(StopOptions options, string name, params double[] values)
    {
        RunWatch watch = new(options);
        for (var i = 0; i < values.Length; i++)
        {
            if (watch.Take(Row(i + 1, (name, values[i]))) is not null)
            {
                return i + 1;
            }
        }

        return null;
    }

    [Test]
    public void Bounds_AreHeldAgainstTheMeanOfTheWindow()
    {
        StopOptions kl = new() { KlAbove = 1, Window = 2 }, entropy = new() { EntropyBelow = 0.5, Window = 2 };
        Assert.Multiple(() =>
        {
            Assert.That(EndsAt(kl, "policy/kl", 5, 0.1, 0.2, 1.5, 0.6), Is.EqualTo(2), "5 and 0.1");
            Assert.That(EndsAt(kl, "policy/kl", 0.1, 1.5, 0.4, 1.6, 0.4), Is.Null, "exactly at the bound is not above it");
            Assert.That(EndsAt(entropy, "policy/entropy", 0.6, 0.3, 0.8), Is.EqualTo(2));
            Assert.That(EndsAt(entropy, "policy/entropy", 0.6, double.NaN, 0.45, 0.5), Is.EqualTo(4), "a step without a value does not count");
            Assert.That(EndsAt(new StopOptions(), "policy/kl", 1e9, 1e9), Is.Null, "no bounds");
        });
    }

    [Test]
    public void SpreadOfPitch_IsHeldAgainstItsFirstValue()
    {
        StopOptions options = new() { F0SpreadBelow = 0.5, Window = 2 };
        Assert.That(EndsAt(options, "prosody/f0_semitones", 6, 4, 3, 2.4, 2.4), Is.EqualTo(5), "half of 5 is 2.5; 3 and 2.4 are above it");
        RunWatch watch = new(options);
        watch.Take(Row(1, ("prosody/f0_semitones", 6)));
        var second = Row(2, ("prosody/f0_semitones", 4));
        var reason = watch.Take(second);
        Assert.That((second["bound/prosody/f0_semitones"], reason), Is.EqualTo((2.5, (string?)null)), "for the dashboard");
    }

    [Test]
    public void Errors_EndTheRunWhenTheyRiseSoOftenInSuccession()
    {
        StopOptions options = new() { CerRises = 2 };
        Assert.Multiple(() =>
        {
            Assert.That(EndsAt(options, "evaluation/cer", 0.3, 0.2, 0.21, 0.2, 0.21, 0.22), Is.EqualTo(6));
            Assert.That(EndsAt(options, "evaluation/cer", 0.3, double.NaN, 0.31, double.NaN, 0.32), Is.EqualTo(5), "steps without an evaluation lie between");
            Assert.That(EndsAt(options, "evaluation/cer", 0.3, 0.31, 0.31, 0.32), Is.Null, "as many is no rise");
        });
    }

    [Test]
    public void Run_EndsWithACheckpointAndTheReason_WhereverItWasResumed()
    {
        // The entropy of the table is below any bound of 9 from the start; the window makes it the fourth step.
        var options = World.Settings() with { StopWhen = new StopOptions { EntropyBelow = 9, Window = 4 }, Run = new RunOptions { Steps = 6, SaveEvery = 1, SamplesEvery = 0 } };
        using World whole = new(options, ["ab", "b"]);
        Memory memory = new();
        var outcome = whole.Run(memory);
        Assert.Multiple(() =>
        {
            Assert.That((outcome.Step, outcome.Completed, outcome.Checkpoint), Is.EqualTo((4, false, "4")));
            Assert.That(outcome.Reason, Does.Contain("policy/entropy was 0 over 4 steps, below 9 (stop_when)"), "the table's trainer counts none");
        });
        Memory parts = new();
        using (World killed = new(options, ["ab", "b"]))
        {
            Assert.That(() => killed.Run(parts, onStep: r => { if (r.Metrics.Step == 2) { throw new OperationCanceledException(); } }), Throws.TypeOf<OperationCanceledException>());
        }

        using World resumed = new(options, ["ab", "b"]);
        Assert.That(resumed.Run(parts).Step, Is.EqualTo(4), "it remembers the steps before");
        using World again = new(options, ["ab", "b"]);
        var ended = again.Run(parts);
        Assert.That((ended.Step, ended.Reason), Is.EqualTo((4L, outcome.Reason)), "and that they ended it");
        using World freed = new(options, ["ab", "b"]);
        Assert.That(freed.Run(parts, options with { StopWhen = new StopOptions() }).Completed, "without the bound it goes on");
    }

    [TestCase(0, 1)]
    [TestCase(1, 3, Description = "it may know fewer steps, after a resume")]
    public void Ranks_EndWhereTheFirstSaysSo(int bounded, int expected)
    {
        var steps = ThreadWorld.Run(2, ranks =>
        {
            using World world = new(World.Settings() with { Run = new RunOptions { Steps = 3, SamplesEvery = 0 } }, ["ab", "b"], ranks: ranks);
            var bounds = ranks.Rank == bounded ? new StopOptions { EntropyBelow = 9, Window = 1 } : new StopOptions();
            return world.Run(new Memory(), world.Options with { StopWhen = bounds }).Step;
        });
        Assert.That(steps, Is.EqualTo(new long[] { expected, expected }));
    }

    [Test]
    public void Options_ThatCannotBeWatched_AreRefused()
    {
        Assert.That(new GrpoOptions { StopWhen = new StopOptions { KlAbove = 1, CerRises = 2 } }.Faults(), Has.Exactly(1).Contains("`loss.reference`").And.Exactly(1).Contains("`run.evaluate_every` is 0"));
        Assert.That(new GrpoOptions { StopWhen = new StopOptions { KlAbove = 1 }, Loss = new LossOptions { Reference = ReferenceKind.F32 } }.Faults(), Is.Empty);
    }
}
