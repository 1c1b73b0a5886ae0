using LlasaNative.Training;

namespace LlasaNative.Tests.Training;

public sealed class ScheduleTests
{
    [TestCase("constant", 1, 0.2)]
    [TestCase("constant", 5, 1)]
    [TestCase("constant", 105, 1)]
    [TestCase("linear(final_ratio=0.1)", 6, 1)]
    [TestCase("linear(final_ratio=0.1)", 56, 0.55)]
    [TestCase("linear(final_ratio=0.1)", 105, 0.109)]
    [TestCase("cosine(final_ratio=0.1)", 56, 0.55)]
    [TestCase("cosine(final_ratio=0.1)", 106, 0.1)]
    public void LearningRate_FollowsItsShape(string schedule, long step, double expected)
    {
        OptimiserOptions options = new() { LearningRate = 1, WarmupSteps = 5, Schedule = schedule };
        Assert.That(Schedules.LearningRate(options, step, 105), Is.EqualTo(expected).Within(1e-12));
    }

    [TestCase(65, 1)]
    [TestCase(66, 1)]
    [TestCase(76, 0.775)]
    [TestCase(105, 0.1225)]
    public void LearningRate_WithDecaySteps_StaysAtThePeakBeforeThem(long step, double expected)
    {
        OptimiserOptions options = new() { LearningRate = 1, WarmupSteps = 5, Schedule = "linear(final_ratio=0.1,decay_steps=40)" };
        Assert.That(Schedules.LearningRate(options, step, 105), Is.EqualTo(expected).Within(1e-12));
    }

    // transformers.get_linear_schedule_with_warmup(optimizer, 0, 4) and its cosine twin, one value per optimiser step.
    [TestCase("linear", new[] { 1, 0.75, 0.5, 0.25 })]
    [TestCase("cosine", new[] { 1, 0.8535533905932737, 0.5, 0.14644660940672627 })]
    [TestCase("linear", new[] { 1.0 })]
    [TestCase("cosine", new[] { 1.0 })]
    public void MyFourSteps_TakeTheRatesOfTransformers_AndNoneIsZero(string schedule, double[] expected)
    {
        OptimiserOptions options = new() { LearningRate = 1, WarmupSteps = 0, Schedule = schedule };
        Assert.That(Enumerable.Range(1, expected.Length).Select(k => Schedules.LearningRate(options, k, expected.Length)), Is.EqualTo(expected).Within(1e-12));
    }

    [Test]
    public void LearningRate_WithoutWarmup_StartsAtThePeak() =>
        Assert.That(Schedules.LearningRate(new OptimiserOptions { LearningRate = 3, WarmupSteps = 0 }, 1, 10), Is.EqualTo(3));

    [Test]
    public void Seeds_DifferByPurposeAndSeed()
    {
        var keys = new[] { 1L, 2L }.SelectMany(s => new[] { Seeds.DataOrder(s), Seeds.Rollouts(s), Seeds.Evaluation(s), Seeds.Bootstrap(s) });
        Assert.That(keys.Distinct().Count(), Is.EqualTo(8));
    }
}
