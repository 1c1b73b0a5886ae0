using LlasaNative.Training;

namespace LlasaNative.Tests.Training;

public sealed class ScheduleTests
{
    [TestCase(LearningRateSchedule.Constant, 1, 0.2)]
    [TestCase(LearningRateSchedule.Constant, 5, 1)]
    [TestCase(LearningRateSchedule.Constant, 105, 1)]
    [TestCase(LearningRateSchedule.Linear, 55, 0.55)]
    [TestCase(LearningRateSchedule.Linear, 105, 0.1)]
    [TestCase(LearningRateSchedule.Cosine, 55, 0.55)]
    [TestCase(LearningRateSchedule.Cosine, 105, 0.1)]
    public void LearningRate_FollowsItsShape(LearningRateSchedule schedule, long step, double expected)
    {
        OptimiserOptions options = new() { LearningRate = 1, WarmupSteps = 5, Schedule = schedule, FinalRatio = 0.1 };
        Assert.That(Schedules.LearningRate(options, step, 105), Is.EqualTo(expected).Within(1e-12));
    }

    [TestCase(65, 1)]
    [TestCase(75, 0.775)]
    [TestCase(105, 0.1)]
    public void LearningRate_WithDecaySteps_StaysAtThePeakBeforeThem(long step, double expected)
    {
        OptimiserOptions options = new() { LearningRate = 1, WarmupSteps = 5, Schedule = LearningRateSchedule.Linear, FinalRatio = 0.1, DecaySteps = 40 };
        Assert.That(Schedules.LearningRate(options, step, 105), Is.EqualTo(expected).Within(1e-12));
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
