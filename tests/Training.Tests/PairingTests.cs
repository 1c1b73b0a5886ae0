using LlasaNative.Data;

namespace LlasaNative.Training.Tests;

/// <summary>Which samples become pairs.</summary>
public sealed class PairingTests
{
    private static SampledSpeech Sample(int code, double reward, double cer = 0, string text = "a", int length = 1, string policy = "p", double f0 = 5, double rate = 20, bool ended = true) =>
        new(text, [.. Enumerable.Repeat(code, length)]) { Reward = reward, Cer = cer, Policy = policy, F0Semitones = f0, Rate = rate, Ended = ended };

    private static IEnumerable<(int, int)> Codes(IEnumerable<SpeechPair> pairs) => pairs.Select(p => (p.First.Codes[0], p.Second.Codes[0]));

    [Test]
    public void ByReward_TheBestMeetsTheWorstOfItsText()
    {
        SampledSpeech[] samples = [Sample(1, 0.5), Sample(2, 0.9), Sample(9, 0.1, text: "b"), Sample(3, 0.2), Sample(8, 0.3, text: "b"), Sample(4, double.NaN)];
        Assert.Multiple(() =>
        {
            Assert.That(Codes(Pairing.Make(samples, new PairingOptions(PairRule.Reward, 0.1))), Is.EqualTo(new[] { (2, 3), (8, 9) }));
            Assert.That(Codes(Pairing.Make(samples, new PairingOptions(PairRule.Reward, 0.3))), Is.EqualTo(new[] { (2, 3) }), "b's differ by 0.2");
            Assert.That(Pairing.Make(samples, new PairingOptions(PairRule.Reward, 0.1)).All(p => p.IsJudged));
        });
    }

    [Test]
    public void SeveralPairsOfAText_ShareNoSample()
    {
        SampledSpeech[] samples = [.. Enumerable.Range(0, 5).Select(i => Sample(i, 0.1 * i))];
        Assert.That(Codes(Pairing.Make(samples, new PairingOptions(PairRule.Reward, 0.15) { PerText = 9 })), Is.EqualTo(new[] { (4, 0), (3, 1) }));
    }

    [Test]
    public void EqualOnes_AreNoPair()
    {
        Assert.That(Pairing.Make([Sample(1, 0.5), Sample(2, 0.5)], new PairingOptions(PairRule.Reward, 0)), Is.Empty, "equal rewards");
        Assert.That(Pairing.Make([Sample(1, 0.5), Sample(1, 0.9)], new PairingOptions(PairRule.Reward, 0)), Is.Empty, "equal codes");
        Assert.That(Pairing.Make([Sample(1, 0.5), Sample(1, 0.9)], new PairingOptions(PairRule.Random, 0)), Is.Empty, "equal codes");
    }

    [Test]
    public void ByCer_TheLowerIsChosen() =>
        Assert.That(Codes(Pairing.Make([Sample(1, 0.9, cer: 0.3), Sample(2, 0.1, cer: 0.1)], new PairingOptions(PairRule.Cer, 0.1))), Is.EqualTo(new[] { (2, 1) }));

    [Test]
    public void Lively_OfTwoWithoutErrors_IsTheOneNearerTheWantedProsody()
    {
        PairingOptions options = new(PairRule.Lively, 0.1) { Semitones = 5, Rate = 20 };
        SampledSpeech flat = Sample(1, 1, f0: 2.5), lively = Sample(2, 0.5, f0: 5.5), fast = Sample(3, 1, rate: 40), wrong = Sample(4, 1, cer: 0.1), cut = Sample(5, 1, ended: false), silent = Sample(6, 1, f0: double.NaN);
        Assert.Multiple(() =>
        {
            Assert.That(Pairing.Score(flat, options), Is.EqualTo(-Math.Log(2)).Within(1e-12));
            Assert.That(Pairing.Score(fast, options), Is.EqualTo(-Math.Log(2)).Within(1e-12), "twice as fast is as far as half as lively");
            Assert.That(Codes(Pairing.Make([flat, lively, fast, wrong, cut, silent], options)), Is.EqualTo(new[] { (2, 3) }).Or.EqualTo(new[] { (2, 1) }));
            Assert.That(Pairing.Make([lively, wrong, cut, silent], options), Is.Empty, "one without errors has nobody to meet");
        });
    }

    [Test]
    public void LengthBandAndPolicies_SayWhoMayMeet()
    {
        SampledSpeech[] samples = [Sample(1, 0.9, length: 10), Sample(2, 0.1, length: 20), Sample(3, 0.2, length: 12, policy: "q")];
        Assert.Multiple(() =>
        {
            Assert.That(Codes(Pairing.Make(samples, new PairingOptions(PairRule.Reward, 0.1))), Is.EqualTo(new[] { (1, 2) }));
            Assert.That(Codes(Pairing.Make(samples, new PairingOptions(PairRule.Reward, 0.1) { LengthBand = 1.2 })), Is.EqualTo(new[] { (1, 3) }));
            Assert.That(Codes(Pairing.Make(samples, new PairingOptions(PairRule.Reward, 0.1) { Across = true })), Is.EqualTo(new[] { (1, 3) }));
        });
    }

    [Test]
    public void AtRandom_PairsAreOfAllSamples_AndFollowFromTheSeed()
    {
        SampledSpeech[] samples = [.. Enumerable.Range(0, 200).Select(i => Sample(i, 0.1, text: $"{i / 4}", policy: i % 2 == 0 ? "p" : "q"))];
        PairingOptions options = new(PairRule.Random, 0) { PerText = 2, Seed = 3, Across = true };
        var pairs = Pairing.Make(samples, options);
        Assert.Multiple(() =>
        {
            Assert.That(pairs, Has.Count.EqualTo(100));
            Assert.That(pairs.All(p => !p.IsJudged && p.First.Policy != p.Second.Policy));
            Assert.That(Pairing.Make(samples, options), Is.EqualTo(pairs));
            Assert.That(Codes(Pairing.Make(samples, options with { Seed = 4 })), Is.Not.EqualTo(Codes(pairs)));
            // A fair coin of 100 throws is outside of 30 to 70 with a chance of less than 4e-5.
            Assert.That(pairs.Count(p => p.First.Policy == "p"), Is.InRange(30, 70), "neither policy is always first");
        });
    }
}
