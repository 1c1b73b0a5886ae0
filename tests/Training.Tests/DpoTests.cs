using LlasaNative.Data;
using LlasaNative.Training.Tests.Fakes;

namespace LlasaNative.Training.Tests;

/// <summary>Training on preferences: one step worked out by hand, what is held against what, and whole runs.</summary>
public sealed class DpoTests
{
    private static readonly PreferencePair[] Pairs =
    [
        new("a", [0], [1, 1]), new("b", [1, 0], [2]), new("c", [2], [2, 2]), new("ab", [0, 0], [1]), new("ba", [1], [0, 2]),
    ];

    private static DpoOptions Options { get; } = new()
    {
        Data = new DataOptions { Shuffle = false },
        Dpo = new PreferenceLossOptions { BatchSize = 2, Beta = 0.5 },
        Optimiser = new OptimiserOptions { LearningRate = 0.5, WarmupSteps = 0 },
        Run = new RunOptions { Steps = 6, SaveEvery = 2, SamplesEvery = 0 },
    };

    [Test]
    public void Step_MovesTheWeightsByTheGradientWorkedOutByHand()
    {
        using World world = new(Options);
        var l = world.Policy.Log(1);
        var p = l.Select(Math.Exp).ToArray();
        var report = world.Loop.TakeStep(1, false, CancellationToken.None);
        // The policy is its own reference: each pair's difference is 0, its loss log 2, the slope by the difference -beta / 2, the mean over two
        // pairs half that. The slope of a log-prob by a logit is [is this token] - p. Chosen: 0 3 and 1 0 3; rejected: 1 1 3 and 2 3.
        double[] counts = [(1 + 1) - 0, 1 - 2, 0 - 1, (1 + 1) - (1 + 1)];
        double[] gradient = [.. counts.Select((c, i) => -0.5 / 2 / 2 * (c - ((2 + 3 - 3 - 2) * p[i])))];
        Assert.Multiple(() =>
        {
            Assert.That(world.Trainer.LastGradient, Is.EqualTo(gradient).Within(1e-7));
            Assert.That(report.Metrics["dpo/loss"], Is.EqualTo(Math.Log(2)).Within(1e-12));
            Assert.That((report.Metrics["dpo/accuracy"], report.Metrics["dpo/margin"], report.Metrics["dpo/kl"]), Is.EqualTo((0.0, 0.0, 0.0)));
            Assert.That(report.Metrics["dpo/logprob_chosen"], Is.EqualTo((l[0] + l[3] + l[1] + l[0] + l[3]) / 2).Within(1e-6));
            Assert.That(report.Metrics["dpo/tokens"], Is.EqualTo(10));
            Assert.That(world.Loop.DataPosition, Is.EqualTo(2));
            Assert.That(world.Policy.Calls, Is.EqualTo(new[] { "score", "score", "accumulate", "apply" }));
        });
    }

    [Test]
    public void Step_HoldsThePolicyAgainstWhatItWas()
    {
        using World world = new(Options);
        var before = world.Policy.Log(1);
        world.Loop.TakeStep(1, false, CancellationToken.None);
        var after = world.Policy.Log(1);
        var second = world.Loop.TakeStep(2, false, CancellationToken.None);
        double Ratio(params int[] tokens) => tokens.Sum(t => after[t] - before[t]);
        var chosen = 0.5 * (Ratio(2, 3) + Ratio(0, 0, 3)) / 2;
        Assert.Multiple(() =>
        {
            Assert.That(world.Policy.Copies, Is.EqualTo(1));
            Assert.That(second.Metrics["dpo/reward_chosen"], Is.EqualTo(chosen).Within(1e-6));   // log-probs are floats
            Assert.That(second.Metrics["dpo/kl"], Is.GreaterThan(0));
        });
    }

    [Test]
    public void Reference_OfAnAdapter_IsThePolicyWithoutIt()
    {
        using World world = new(Options, adapter: [0.5, 0, 0, 0]);
        var report = world.Loop.TakeStep(1, false, CancellationToken.None);
        Assert.Multiple(() =>
        {
            Assert.That(world.Policy.Copies, Is.Zero);
            Assert.That(world.Policy.AdapterIsOn, Is.True);
            Assert.That(report.Metrics["dpo/kl"], Is.GreaterThan(0), "the adapter says something else from the start");
        });
    }

    [Test]
    public void Simpo_NeedsNoReference_ButMayWatchOne()
    {
        using World alone = new(Options with { Dpo = Options.Dpo with { Loss = PreferenceLossKind.Simpo } });
        using World watched = new(Options with { Dpo = Options.Dpo with { Loss = PreferenceLossKind.Simpo, Reference = ReferenceKind.F32 } });
        var (a, b) = (alone.Loop.TakeStep(1, false, CancellationToken.None), watched.Loop.TakeStep(1, false, CancellationToken.None));
        Assert.Multiple(() =>
        {
            Assert.That((alone.Policy.Copies, watched.Policy.Copies), Is.EqualTo((0, 1)));
            Assert.That((a.Metrics["dpo/kl"], b.Metrics["dpo/kl"]), Is.EqualTo((double.NaN, 0.0)));
            Assert.That(watched.Policy.Logits, Is.EqualTo(alone.Policy.Logits));
        });
    }

    [TestCase(PreferenceLossKind.Dpo)]
    [TestCase(PreferenceLossKind.Ipo)]
    [TestCase(PreferenceLossKind.DpoNorm)]
    [TestCase(PreferenceLossKind.Simpo)]
    public void Training_LearnsThePreference(PreferenceLossKind kind)
    {
        // Code 0 is always chosen, code 1 always rejected.
        using World world = new(Options with { Dpo = Options.Dpo with { Loss = kind }, Run = Options.Run with { Steps = 40 } }, pairs: [new("a", [0], [1]), new("b", [0], [1])]);
        Memory memory = new();
        world.Run(memory);
        Assert.That(memory.Reports[^1].Metrics["dpo/accuracy"], Is.EqualTo(1));
        Assert.That(memory.Reports[^1].Metrics["dpo/loss"], Is.LessThan(memory.Reports[0].Metrics["dpo/loss"]));
        Assert.That(world.Policy.LogProb(0) - world.Policy.LogProb(1), Is.GreaterThan(0.2 + 0.5), "0.2 at first");
    }

    [TestCase(PreferenceLossKind.Dpo)]
    [TestCase(PreferenceLossKind.Simpo)]
    public void Run_KilledAfterAnyStepAndResumed_EndsWithTheSameBits(PreferenceLossKind kind)
    {
        var options = Options with { Dpo = Options.Dpo with { Loss = kind } };
        using World undisturbed = new(options);
        Memory whole = new();
        undisturbed.Run(whole);
        for (var last = 1; last < 6; last++)
        {
            Memory memory = new();
            using (World killed = new(options))
            {
                Assert.That(() => killed.Run(memory, r => { if (r.Metrics.Step == last) { throw new OperationCanceledException(); } }), Throws.TypeOf<OperationCanceledException>());
            }

            using World resumed = new(options);
            resumed.Run(memory);
            Assert.That(resumed.Policy.Logits, Is.EqualTo(undisturbed.Policy.Logits), $"killed after step {last}");
            Assert.That(memory.Reports.Select(r => r.Metrics["dpo/margin"]), Is.EqualTo(whole.Reports.Select(r => r.Metrics["dpo/margin"])));
        }
    }

    [Test]
    public void Measure_OfHeldOutPairs_ChangesNothing()
    {
        using World world = new(Options);
        world.Loop.TakeStep(1, false, CancellationToken.None);
        double[] logits = [.. world.Policy.Logits];
        var measured = world.Loop.Measure([EncodedPair.Of(world.Policy, new("c", [0], [2])), EncodedPair.Of(world.Policy, new("c", [2], [0]))]);
        Assert.Multiple(() =>
        {
            Assert.That((measured.Pairs, measured.Accuracy), Is.EqualTo((2, 0.5)), "the same pair both ways");
            Assert.That(measured.Margin, Is.Zero);
            Assert.That(world.Policy.Logits, Is.EqualTo(logits));
        });
    }

    private sealed class World : IDisposable
    {
        private readonly DpoOptions _options;

        public World(DpoOptions options, double[]? adapter = null, PreferencePair[]? pairs = null)
        {
            _options = options;
            Policy = new TablePolicy { Adapter = adapter };
            Trainer = new TableTrainer(Policy);
            Loop = new DpoLoop(options, Policy, Trainer, [.. (pairs ?? Pairs).Select(p => EncodedPair.Of(Policy, p))]);
            Policy.Calls.Clear();
        }

        public TablePolicy Policy { get; }

        public TableTrainer Trainer { get; }

        public DpoLoop Loop { get; }

        public void Run(Memory memory, Action<StepReport>? onStep = null) => TrainingRun.Execute(Loop, new RunSettings(
            Run: _options.Run, Options: _options, Checkpoints: memory, OpenLog: memory.Open, Progress: memory, OnStep: onStep));

        public void Dispose()
        {
            Loop.Dispose();
            Policy.Dispose();
        }
    }
}
