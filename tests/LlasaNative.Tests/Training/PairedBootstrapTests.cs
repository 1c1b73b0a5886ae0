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

    [Test]
    public void Estimate_OfAMean_HasTheWidthOfTheNormalApproximation()
    {
        // 300 texts, values 0 or 1 by turns against always 1; one sample each.
        TextRatio[] before = [.. Enumerable.Range(0, 300).Select(i => new TextRatio(i % 2, 1))];
        TextRatio[] after = [.. Enumerable.Range(0, 300).Select(_ => new TextRatio(1, 1))];
        var estimate = PairedBootstrap.Estimate([new PairedTexts(before, after)], 3)[0];
        var deviation = 0.5 / Math.Sqrt(300);
        Assert.Multiple(() =>
        {
            Assert.That(estimate.Before.Value, Is.EqualTo(0.5));
            Assert.That(estimate.Before.Low, Is.EqualTo(0.5 - (1.96 * deviation)).Within(0.25 * deviation));
            Assert.That(estimate.After, Is.EqualTo(new IntervalEstimate(1, 1, 1)));
            Assert.That(estimate.Difference.High, Is.EqualTo(0.5 + (1.96 * deviation)).Within(0.25 * deviation));
            Assert.That(estimate.Difference.Low, Is.GreaterThan(0));
        });
    }

    [Test]
    public void Estimate_LeavesOutTextsThatSayNothing_AndIsNaNWhenNoneDoes()
    {
        PairedTexts some = new([new(4, 1), default, new(2, 1)], [new(6, 2), new(9, 1), default]);
        PairedTexts none = new([default, default, default], [new(1, 1), new(1, 1), new(1, 1)]);
        var estimates = PairedBootstrap.Estimate([some, none], 1, 500);
        Assert.Multiple(() =>
        {
            Assert.That(estimates[0].Before.Value, Is.EqualTo(3));
            Assert.That(estimates[0].After.Value, Is.EqualTo(5));
            Assert.That(estimates[0].Difference.Value, Is.EqualTo(2));
            Assert.That(estimates[1].Before.Value, Is.NaN);
            Assert.That(estimates[1].Difference.Low, Is.NaN);
            Assert.That(estimates[1].After.Value, Is.EqualTo(1));
        });
    }
}
