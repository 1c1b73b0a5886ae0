using LlasaNative.Training;

namespace LlasaNative.Tests.Training;

public sealed class PairedBootstrapTests
{
    [Test]
    public void Difference_OfEqualSystems_IsExactlyZero()
    {
        var texts = Enumerable.Range(0, 50).Select(i => (i % 7, 20 + i)).ToArray();
        Assert.That(PairedBootstrap.Difference(texts, texts, 1, 200), Is.EqualTo((0.0, 0.0, 0.0)));
    }

    [Test]
    public void Difference_IsOfCorpusRates()
    {
        // 3 + 1 edits of 40 characters against 1 + 1: the mean of per-text rates would be another number.
        var (difference, _, _) = PairedBootstrap.Difference([(3, 10), (1, 30)], [(1, 10), (1, 30)], 1, 100);
        Assert.That(difference, Is.EqualTo(-0.05).Within(1e-15));
    }

    [Test]
    public void Interval_HasTheWidthOfTheNormalApproximation()
    {
        // 400 texts of 25 characters; 60 of them lose 5 edits: the mean of 400 independent values of 0 or -0.2.
        var before = Enumerable.Range(0, 400).Select(i => (5, 25)).ToArray();
        var after = Enumerable.Range(0, 400).Select(i => (i < 60 ? 0 : 5, 25)).ToArray();
        var (difference, low, high) = PairedBootstrap.Difference(before, after, 5);
        var deviation = 0.2 * Math.Sqrt(0.15 * 0.85 / 400);
        Assert.Multiple(() =>
        {
            Assert.That(difference, Is.EqualTo(-0.03).Within(1e-12));
            // The quantile's own error with 10,000 resamples is about 0.03 deviations, the lattice's step 0.14.
            Assert.That(low, Is.EqualTo(-0.03 - (1.96 * deviation)).Within(0.25 * deviation));
            Assert.That(high, Is.EqualTo(-0.03 + (1.96 * deviation)).Within(0.25 * deviation));
        });
    }

    [Test]
    public void Difference_SameKey_GivesTheSameInterval()
    {
        var before = Enumerable.Range(0, 30).Select(i => (i % 5, 20)).ToArray();
        var after = Enumerable.Range(0, 30).Select(i => (i % 3, 20)).ToArray();
        var first = PairedBootstrap.Difference(before, after, 9, 500);
        Assert.That(PairedBootstrap.Difference(before, after, 9, 500), Is.EqualTo(first));
    }

    [Test]
    public void Difference_OfDifferentLists_IsRefused() =>
        Assert.Throws<ArgumentException>(() => PairedBootstrap.Difference([(1, 2)], [(1, 2), (1, 2)], 1));
}
