using LlasaNative.Data;
using LlasaNative.Reporting;
using LlasaNative.Training.Tests.Fakes;

namespace LlasaNative.Training.Tests;

/// <summary>Supervised runs: epochs, packing, held-out loss, the best state.</summary>
public sealed class SftTests
{
    // Seven utterances of 2 .. 8 response tokens, by which they are told apart.
    private static readonly Utterance[] Corpus = [.. Enumerable.Range(1, 7).Select(n => new Utterance("a", [.. Enumerable.Range(0, n).Select(i => i % 3)]))];

    private static SftOptions Options => new()
    {
        Sft = new SftLossOptions { BatchSize = 2, Epochs = 2 },
        Optimiser = new OptimiserOptions { LearningRate = 0.1, WarmupSteps = 0 },
        Run = new RunOptions { Steps = 7, SaveEvery = 3, EvaluateEvery = 2 },
    };

    [Test]
    public void Steps_OfEpochs_TakeEveryUtteranceOnceInEach_AndTheLastStepWhatIsLeft()
    {
        foreach (var epochs in new[] { 1, 2, 3 })
        {
            var options = Options with { Sft = Options.Sft with { Epochs = epochs } };
            using var loop = Make(options, out var trainer);
            var steps = ((7 * epochs) + 1) / 2;
            StepReport[] reports = [.. Enumerable.Range(1, steps).Select(n => loop.TakeStep(n, false, CancellationToken.None))];
            int[] lengths = [.. trainer.Accumulated.SelectMany(a => Lengths(a.Tokens))];
            Assert.Multiple(() =>
            {
                Assert.That(lengths.Order(), Is.EqualTo(Enumerable.Range(2, 7).SelectMany(n => Enumerable.Repeat(n, epochs))));
                Assert.That(loop.DataPosition, Is.EqualTo(7 * epochs));
                Assert.That(reports.Select(r => r.Metrics["sft/epoch"]), Is.EqualTo(Enumerable.Range(1, steps).Select(n => Math.Min(2 * n, 7 * epochs) / 7.0)));
            });
        }
    }

    [Test]
    public void Epochs_HaveOrdersOfTheirOwn()
    {
        using var loop = Make(Options with { Sft = new SftLossOptions { BatchSize = 1, Epochs = 2 } }, out var trainer);
        for (var n = 1; n <= 14; n++)
        {
            loop.TakeStep(n, false, CancellationToken.None);
        }

        int[][] epochs = [.. trainer.Accumulated.SelectMany(a => Lengths(a.Tokens)).Chunk(7)];
        Assert.That(epochs[0], Is.Not.EqualTo(epochs[1]).And.EquivalentTo(epochs[1]));
    }

    [Test]
    public void Measure_IsTheMeanOverTokens_OnAnyNumberOfRanks()
    {
        TablePolicy table = new();
        var l = table.Log(1);
        var sum = Corpus.Sum(u => u.Codes.Sum(c => l[c]) + l[TablePolicy.End]);
        var tokens = Corpus.Sum(u => u.Codes.Count + 1);
        foreach (var size in new[] { 1, 2, 3, 9 })
        {
            var rows = ThreadWorld.Run(size, world =>
            {
                using var loop = Make(Options, out _, world);
                MetricRow row = new(1);
                loop.Measure(Encoded(loop.Policy), row);
                return row;
            });
            Assert.That(rows.Select(r => r[SftLoop.HeldOutLoss]), Is.All.EqualTo(-sum / tokens).Within(1e-6), $"{size} ranks");   // log-probs are rounded to float32
            Assert.That(rows.Select(r => r["evaluation/tokens"]), Is.All.EqualTo(tokens));
        }
    }

    [Test]
    public void Run_KilledInsideAnEpochAndResumed_EndsWithTheSameBits_AndTheSameBest()
    {
        var (whole, weights) = Run(new Memory());
        for (var last = 1; last < 7; last++)
        {
            Memory memory = new();
            Assert.That(() => Run(memory, last), Throws.TypeOf<OperationCanceledException>());
            var (resumed, after) = Run(memory);
            Assert.That(after, Is.EqualTo(weights), $"killed after step {last}");
            Assert.That(resumed.Best, Is.EqualTo(whole.Best));
        }
    }

    [Test]
    public void Run_SavesTheStateWhoseHeldOutLossIsLowest()
    {
        double[] losses = [3, 1, 2, 1];   // after steps 2, 4, 6, 7
        var at = 0;
        Memory memory = new();
        using var loop = Make(Options, out _);
        var outcome = Execute(loop, memory, row => row.Add(SftLoop.HeldOutLoss, losses[at++]));
        Assert.Multiple(() =>
        {
            Assert.That(outcome.Best, Is.EqualTo((4L, 1.0)), "the first of two equal ones");
            Assert.That(memory.Saved, Is.EqualTo(new long[] { 2, 3, 4, 6, 7 }), "where it was lowest so far, when due, and at the end");
            Assert.That(memory.Find("6", (_, _) => { })!.Value.State.Best, Is.EqualTo((4L, 1.0)));
            Assert.That(memory.Find("3", (_, _) => { })!.Value.State.Best, Is.EqualTo((2L, 3.0)));
        });
    }

    [Test]
    public void Fill_GivesAnOrderThatATrainerCutsAsPlanned_NeverIntoMoreThanBefore()
    {
        for (ulong trial = 0; trial < 500; trial++)
        {
            int[] rows = [.. Enumerable.Range(0, Philox.Below(1, trial, 0, 30)).Select(i => 1 + Philox.Below(2, trial, (ulong)i, 60))];
            var (order, count) = SequencePacking.Fill(rows, 50);
            Assert.Multiple(() =>
            {
                Assert.That(order.Order(), Is.EqualTo(Enumerable.Range(0, rows.Length)));
                Assert.That(Cut(order.Select(i => rows[i])), Is.EqualTo(count), "cut as sequences come");
                Assert.That(count, Is.LessThanOrEqualTo(Cut(rows)));
            });
        }
    }

    [Test]
    public void Fill_FillsWhatTheOrderOfTheDataDoesNot()
    {
        int[] rows = [30, 30, 20, 20, 30, 20];
        var (order, count) = SequencePacking.Fill(rows, 50);
        Assert.That((Cut(rows), count), Is.EqualTo((4, 3)));
        Assert.That(order, Is.EqualTo(new[] { 0, 2, 1, 3, 4, 5 }));
    }

    [Test]
    public void Step_SaysHowFullItsMicroBatchesAre()
    {
        // Rows: a prompt of 2 tokens and a response of n, of which the last needs none: n + 1.
        using var loop = Make(Options with { Data = new DataOptions { Shuffle = false }, Sft = new SftLossOptions { BatchSize = 4 }, Optimiser = Options.Optimiser with { MicroBatchTokens = 8 } }, out var trainer);
        var report = loop.TakeStep(1, false, CancellationToken.None);   // 3, 4, 5, 6 rows in 8: 6 | 5 3 | 4
        Assert.Multiple(() =>
        {
            Assert.That(Lengths(trainer.Accumulated[0].Tokens), Is.EqualTo(new[] { 5, 4, 2, 3 }));
            Assert.That(report.Metrics["sft/micro_batches"], Is.EqualTo(3));
            Assert.That(report.Metrics["sft/filled"], Is.EqualTo(18 / 24.0));
        });
    }

    private static int Cut(IEnumerable<int> rows)
    {
        var (count, used) = (0, 50L);
        foreach (var r in rows)
        {
            (count, used) = used + r > 50 ? (count + 1, r) : (count, used + r);
        }

        return count;
    }

    private static IEnumerable<int> Lengths(int[] tokens)
    {
        var length = 0;
        foreach (var token in tokens)
        {
            length++;
            if (token == TablePolicy.End)
            {
                yield return length;
                length = 0;
            }
        }
    }

    private static EncodedUtterance[] Encoded(IPolicy policy) => [.. Corpus.Select(u => EncodedUtterance.Of(policy, u))];

    private static SftLoop Make(SftOptions options, out TableTrainer trainer, IWorld? world = null)
    {
        TablePolicy policy = new();
        trainer = new TableTrainer(policy, world);
        return new SftLoop(options, policy, trainer, Encoded(policy), world);
    }

    private static (RunOutcome Outcome, double[] Weights) Run(Memory memory, int? killedAfter = null)
    {
        using var loop = Make(Options, out _);
        var outcome = Execute(loop, memory, row => loop.Measure(Encoded(loop.Policy), row), r =>
        {
            if (r.Metrics.Step == killedAfter)
            {
                throw new OperationCanceledException();
            }
        });
        return (outcome, [.. ((TablePolicy)loop.Policy).Logits]);
    }

    private static RunOutcome Execute(SftLoop loop, Memory memory, Action<MetricRow> evaluate, Action<StepReport>? onStep = null) => TrainingRun.Execute(loop, new RunSettings(
        Run: Options.Run,
        Options: Options,
        Checkpoints: memory,
        OpenLog: memory.Open,
        Progress: memory,
        Evaluate: evaluate,
        Lowest: SftLoop.HeldOutLoss,
        OnStep: onStep));
}
