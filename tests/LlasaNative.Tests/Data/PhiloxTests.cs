using LlasaNative.Data;

namespace LlasaNative.Tests.Data;

public sealed class PhiloxTests
{
    [Test]
    public void Draw_OfZeros_IsTheKnownAnswer()
    {
        // Random123 kat_vectors: philox4x32 10, all zero: 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
        Assert.That(Philox.Draw(0, 0, 0), Is.EqualTo((0xe169c58d6627e8d5UL, 0x9b00dbd8bc57ac4cUL)));
    }

    [Test]
    public void Draw_OfOnes_IsTheKnownAnswer() =>
        // All ff: 408f276d 41c83b0e a20bc7c6 6d5451fd.
        Assert.That(Philox.Draw(ulong.MaxValue, ulong.MaxValue, ulong.MaxValue), Is.EqualTo((0x41c83b0e408f276dUL, 0x6d5451fda20bc7c6UL)));

    [Test]
    public void Below_IsEvenlySpread()
    {
        var counts = new int[7];
        for (ulong i = 0; i < 70_000; i++)
        {
            counts[Philox.Below(3, 1, i, 7)]++;
        }

        // Chi-square with 6 degrees of freedom: 22.5 is its 0.999 quantile.
        Assert.That(counts.Sum(c => (c - 10_000.0) * (c - 10_000.0) / 10_000), Is.LessThan(22.5));
    }

    [Test]
    public void EpochOrder_VisitsEverythingOncePerEpoch_EachEpochAnew()
    {
        EpochOrder order = new(20, 5, shuffle: true);
        var first = Enumerable.Range(0, 20).Select(p => order[p]).ToArray();
        var second = Enumerable.Range(20, 20).Select(p => order[p]).ToArray();
        Assert.Multiple(() =>
        {
            Assert.That(first, Is.EquivalentTo(Enumerable.Range(0, 20)));
            Assert.That(second, Is.EquivalentTo(Enumerable.Range(0, 20)));
            Assert.That(second, Is.Not.EqualTo(first));
            Assert.That(order[7], Is.EqualTo(first[7]), "going back");
            Assert.That(new EpochOrder(20, 5, shuffle: true)[33], Is.EqualTo(second[13]), "jumping in");
        });
    }

    [Test]
    public void EpochOrder_Unshuffled_KeepsTheOrder() => Assert.That(new EpochOrder(3, 1, shuffle: false)[7], Is.EqualTo(1));
}
