using LlasaNative.Training.Tests.Fakes;

namespace LlasaNative.Training.Tests;

/// <summary>Several updates of one step's samples.</summary>
public sealed class UpdateTests
{
    private static readonly string[] Texts = ["ab", "b", "c", "ba"];

    private static World Make(UpdateOptions update, LossOptions? loss = null) =>
        new(World.Settings(4) with { Update = update, Loss = loss ?? new LossOptions() }, Texts, (text, j) => j == 0 ? World.EvenOnesAreRight(text, 0) : [2, 2, TablePolicy.End]);

    [Test]
    public void MiniBatches_UseEverySampleOncePerEpoch()
    {
        using var world = Make(new UpdateOptions { Epochs = 2, MiniBatchPrompts = 1 });
        var report = world.Step();
        string[] first = [.. world.Trainer.Accumulated.Take(4).Select(a => string.Join(' ', a.Tokens))];
        string[] second = [.. world.Trainer.Accumulated.Skip(4).Select(a => string.Join(' ', a.Tokens))];
        Assert.Multiple(() =>
        {
            Assert.That(report.Metrics["optimiser/updates"], Is.EqualTo(8));
            Assert.That(world.Trainer.StepCount, Is.EqualTo(8));
            Assert.That(second, Is.EquivalentTo(first), "both epochs hold the same groups");
            Assert.That(first.Distinct().Count(), Is.EqualTo(4));
            Assert.That(second, Is.Not.EqualTo(first), "in another order");
        });
    }

    [Test]
    public void MiniBatches_AreOfSoManyGroups_AndTheLastOfTheRest()
    {
        using var world = Make(new UpdateOptions { MiniBatchPrompts = 3 });
        world.Step();
        Assert.That(world.Trainer.Accumulated.Select(a => a.Tokens.Count(t => t == TablePolicy.End)), Is.EqualTo(new[] { 6, 2 }));
    }

    [Test]
    public void LaterUpdates_TakeRatiosAgainstThePolicyThatDrew()
    {
        using var world = Make(new UpdateOptions { Epochs = 3, MiniBatchPrompts = 2 });
        var drawnAt = world.Policy.Log(1);
        var report = world.Step();
        Assert.Multiple(() =>
        {
            foreach (var (tokens, terms, _) in world.Trainer.Accumulated)
            {
                Assert.That(terms.OldLogProbs, Is.EqualTo(tokens.Select(t => drawnAt[t])).Within(1e-6));
            }

            Assert.That(report.Metrics["policy/ratio"], Is.Not.EqualTo(1).Within(1e-3), "the policy moved");
            Assert.That(report.Metrics["policy/logprob_gap_max"], Is.LessThan(1e-6), "the gap is measured before the first update");
            Assert.That(world.Policy.Calls, Does.Not.Contain("score"));
        });
    }
}
