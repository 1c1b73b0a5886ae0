using LlasaNative.Training.Tests.Fakes;

namespace LlasaNative.Training.Tests;

/// <summary>Evaluation: the same drawing, listening and judging as in training.</summary>
public sealed class EvaluatorTests
{
    [Test]
    public void Evaluate_CountsEditsOfAllSamples_AndKeepsOnlyTheSoundsAskedFor()
    {
        using TablePolicy policy = new() { Script = World.EvenOnesAreRight };
        using GrpoModels models = new(policy, new ScriptedRecognition());
        var result = new Evaluator(models, new SampleJudge(World.Settings().ToReward())).Evaluate(
            models.Encode(["ab", "c", "cab"], 4), new EvaluationOptions { Samples = 2, BatchSize = 2, MaxNewTokens = 4 }, keepSound: text => text == 1);
        // ab | aaaa: 3 edits of 2; c | cccc: 3 of 1; cab | cccc: 3 of 3, each with a right sample of as many characters.
        Assert.Multiple(() =>
        {
            Assert.That(result.Cer, Is.EqualTo(9 / 12.0).Within(1e-12));
            Assert.That(result.Exact, Is.EqualTo(0.5));
            Assert.That(result.NotEnded, Is.EqualTo(3));
            Assert.That(result.PerText(), Is.EqualTo(new[] { (3, 4), (3, 2), (3, 6) }));
            Assert.That(result.Samples.Select(s => s.Sound is not null), Is.EqualTo(new[] { false, false, true, true, false, false }));
            Assert.That(result.AudioSeconds, Is.EqualTo(6 * 0.01).Within(1e-12), "160 samples each");
        });
    }

    [Test]
    public void Evaluate_IsTheSameInBatchesOfAnySize([Values(1, 2, 3)] int batch)
    {
        using TablePolicy policy = new();
        using GrpoModels models = new(policy, new ScriptedRecognition());
        var result = new Evaluator(models, new SampleJudge(World.Settings().ToReward())).Evaluate(models.Encode(["ab", "c", "cab"], 4), new EvaluationOptions { Samples = 3, BatchSize = batch, MaxNewTokens = 4 });
        using TablePolicy again = new();
        using GrpoModels others = new(again, new ScriptedRecognition());
        var whole = new Evaluator(others, new SampleJudge(World.Settings().ToReward())).Evaluate(others.Encode(["ab", "c", "cab"], 4), new EvaluationOptions { Samples = 3, BatchSize = 9, MaxNewTokens = 4 });
        Assert.That(result.Samples.Select(s => s.Transcript), Is.EqualTo(whole.Samples.Select(s => s.Transcript)));
    }
}
