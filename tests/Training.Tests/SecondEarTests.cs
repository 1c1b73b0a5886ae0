using LlasaNative.Recognition;
using LlasaNative.Reporting;
using LlasaNative.Training.Tests.Fakes;

namespace LlasaNative.Training.Tests;

/// <summary>A recogniser that listens to evaluations and rewards nothing.</summary>
public sealed class SecondEarTests
{
    private static readonly string[] Texts = ["ab", "c", "cab"];

    [Test]
    public void Evaluate_TellsWhatBothHeard()
    {
        using SecondEar ear = new("other", new ScriptedEar(), World.Settings().ToReward());
        var result = Evaluate(ear, out _);
        // The even samples say the text, heard as ac, c, cac; the odd ones say aaaa, cccc, cccc, which both hear alike.
        Assert.Multiple(() =>
        {
            Assert.That(result.Second!.Name, Is.EqualTo("other"));
            Assert.That(result.Second.Heard.Select(h => h!.Transcript), Is.EqualTo(new[] { "ac", "aaaa", "c", "cccc", "cac", "cccc" }));
            Assert.That(result.Second.PerText(2), Is.EqualTo(new[] { (1 + 3, 4), (3, 2), (1 + 3, 6) }));
            Assert.That(result.Second.Cer, Is.EqualTo(11 / 12.0).Within(1e-12));
            Assert.That(result.Second.Wer, Is.EqualTo(5 / 6.0).Within(1e-12), "one word each, and one is right");
            Assert.That(result.Second.Nll, Is.EqualTo((1 + (5 * 3)) / 6.0).Within(1e-12));
            Assert.That(result.Second.Exact, Is.EqualTo(1 / 6.0));
            Assert.That(result.Samples.Select(s => s.Second), Is.EqualTo(result.Second.Heard));
            Assert.That(result.Samples.Select(s => s.Sound), Is.All.Null, "sounds are forgotten as without it");
        });
    }

    [Test]
    public void Evaluate_RewardsTheSameWithAndWithout()
    {
        using SecondEar ear = new("other", new ScriptedEar(), World.Settings().ToReward());
        var (with, without) = (Evaluate(ear, out _), Evaluate(null, out _));
        Assert.Multiple(() =>
        {
            Assert.That(with.Samples.Select(s => s with { Second = null, Codes = [], Judgement = null! }), Is.EqualTo(without.Samples.Select(s => s with { Codes = [], Judgement = null! })));
            Assert.That(with.Samples.Select(s => (s.Judgement.Reward, s.Judgement.Edits)), Is.EqualTo(without.Samples.Select(s => (s.Judgement.Reward, s.Judgement.Edits))));
            Assert.That((with.Cer, with.Wer, with.Nll, with.Reward, with.Exact), Is.EqualTo((without.Cer, without.Wer, without.Nll, without.Reward, without.Exact)));
            Assert.That(without.Second, Is.Null);
        });
    }

    [Test]
    public void Evaluate_OfSamplesThatNobodyCouldListenTo_LeavesThemOut()
    {
        using SecondEar ear = new("other", new ScriptedEar(), World.Settings().ToReward());
        var some = Evaluate(ear, out _, (text, _) => text == "cab");
        using SecondEar other = new("other", new ScriptedEar(), World.Settings().ToReward());
        var none = Evaluate(other, out _, (_, _) => true);
        Assert.Multiple(() =>
        {
            Assert.That(some.Second!.Heard.Select(h => h is null), Is.EqualTo(new[] { false, false, false, false, true, true }));
            Assert.That(some.Second.Cer, Is.EqualTo(7 / 6.0).Within(1e-12));
            Assert.That(none.Second!.Cer, Is.NaN);
            Assert.That(none.Second.Nll, Is.NaN);
        });
    }

    [Test]
    public void Run_EndsWithTheSameWeights_WithTheEarAndWithout()
    {
        var (with, reports) = Run(true);
        var (without, others) = Run(false);
        Assert.Multiple(() =>
        {
            Assert.That(with, Is.EqualTo(without), "bit for bit");
            Assert.That(Shared(reports), Is.EqualTo(Shared(others)));
            Assert.That(reports.Select(r => double.IsFinite(r.Metrics["evaluation/second_cer"])), Is.EqualTo(new[] { false, true, false, true, false, true }));
        });

        static IEnumerable<(string, double)> Shared(List<StepReport> reports) => reports.SelectMany(r => r.Metrics.Values)
            .Where(v => v.Key.Split('/')[0] is not ("seconds" or "memory") && !v.Key.EndsWith("_per_second", StringComparison.Ordinal) && !v.Key.Contains("second_", StringComparison.Ordinal))
            .Select(v => (v.Key, v.Value));

        static (double[] Weights, List<StepReport> Reports) Run(bool listens)
        {
            var options = World.Settings(3, 4);
            using World world = new(options with { Run = options.Run with { EvaluateEvery = 2 } }, ["ab", "b", "c", "ba", "ca"]);
            using var ear = listens ? new SecondEar("other", new ScriptedEar(), world.Options.ToReward()) : null;
            Memory memory = new();
            world.Run(memory, evaluate: row =>
            {
                var result = world.Evaluate(Texts, ear);
                row.Add("evaluation/cer", result.Cer).Add("evaluation/reward", result.Reward);
                if (result.Second is not null)
                {
                    row.Add("evaluation/second_cer", result.Second.Cer);
                }
            });
            return (world.Policy.Logits, memory.Reports);
        }
    }

    [Test]
    public void Run_MayGoOnWithAnotherEar_ButNotWithAnotherRecogniser()
    {
        var options = World.Settings(3, 4);
        using World first = new(options, ["ab", "c"]);
        Memory memory = new();
        first.Run(memory, options with { Run = options.Run with { Steps = 2 } });
        using World second = new(options, ["ab", "c"]);
        Assert.That(() => second.Run(memory, options with { Models = options.Models with { Recogniser = "other" } }), Throws.TypeOf<UsageException>().With.Message.Contains("models.recogniser"));
        using World third = new(options, ["ab", "c"]);
        Assert.That(third.Run(memory, options with { Evaluation = options.Evaluation with { Recogniser = "other" } }).Step, Is.EqualTo(6));
    }

    [Test]
    public void CheckText_SaysThatItWasTheSecondEar()
    {
        ScriptedEar recogniser = new();
        using (SecondEar ear = new("other", recogniser, World.Settings().ToReward()))
        {
            Assert.That(() => ear.CheckText("long"), Throws.TypeOf<UsageException>().With.Message.EqualTo("the second ear other: 5 tokens, which allows 4"));
            Assert.That(() => ear.CheckText("ab"), Throws.Nothing);
        }

        Assert.That(recogniser.IsDisposed);
    }

    [Test]
    public void Evaluate_WhenItIsGivenUp_DoesNotWaitForTheEar()
    {
        using CancellationTokenSource giveUp = new();
        ScriptedEar recogniser = new();
        using SecondEar ear = new("other", recogniser, World.Settings().ToReward());
        using World world = new(World.Settings(), ["ab"]);
        world.Recognition.Fails = (text, _) =>
        {
            giveUp.Cancel();   // while the first one listens
            return false;
        };
        Assert.That(() => world.Evaluate(Texts, ear, giveUp.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(recogniser.Calls, Is.Empty);
    }

    private static EvaluationResult Evaluate(SecondEar? ear, out ScriptedRecognition recognition, Func<string, int[], bool>? fails = null)
    {
        using World world = new(World.Settings(), ["ab"], World.EvenOnesAreRight);
        recognition = world.Recognition;
        recognition.Fails = fails ?? recognition.Fails;
        return world.Evaluate(Texts, ear);
    }
}
