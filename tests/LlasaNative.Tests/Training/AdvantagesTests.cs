using System.Text.Json;
using LlasaNative.Rewards;
using LlasaNative.Tests.Support;
using LlasaNative.Training;
using LlasaNative.Weights;

namespace LlasaNative.Tests.Training;

/// <summary>Advantages against those of the oracle's cases, which follow each paper's definition over whole sequences, and by hand.</summary>
public sealed class AdvantagesTests
{
    private static readonly NativeGroupKernel Kernel = new();

    private static IAdvantage Estimator(string name) => new LossOptions { Advantage = name }.CreateAdvantage();

    private static AdvantageBatch Batch(double[] rewards, int groupSize, bool[]? takesPart = null, int[]? lengths = null) =>
        new(rewards, groupSize, takesPart ?? [.. rewards.Select(_ => true)], lengths ?? [.. rewards.Select(_ => 1)], Kernel);

    [TestCase("dapo_clip_higher", "grpo")]
    [TestCase("dr_grpo_constant", "dr_grpo")]
    [TestCase("rloo_leave_one_out", "rloo")]
    [TestCase("reinforce_plus_plus", "reinforce_plus_plus")]
    public void Compute_GivesTheOracles(string name, string estimator)
    {
        var folder = Path.Combine(OracleData.RepositoryRoot, "tests", "fixtures", "llama_grad", name);
        using var manifest = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "case.json")));
        var loss = manifest.RootElement.GetProperty("loss");
        double[] rewards = [.. loss.GetProperty("rewards").EnumerateArray().Select(r => r.GetDouble())];
        var coefficient = loss.TryGetProperty("reward_kl", out var kl) ? kl.GetDouble() : 0;
        using var file = SafeTensorsFile.Open(Path.Combine(folder, "inputs.safetensors"));
        var mask = file.ReadFloats("response_mask");
        var (old, reference) = (file.ReadFloats("old_logp"), file.ReadFloats("ref_logp"));
        var width = mask.Length / rewards.Length;
        int[] unmasked = [.. Enumerable.Range(0, mask.Length).Where(i => mask[i] != 0)];
        int[] lengths = [.. Enumerable.Range(0, rewards.Length).Select(b => unmasked.Count(i => i / width == b))];
        double[] charges = coefficient == 0 ? [] : [.. unmasked.Select(i => coefficient * Divergence.Estimate(KlEstimator.K1, old[i], reference[i]))];

        var computed = Estimator(estimator).Compute(Batch(rewards, rewards.Length, null, lengths) with { Charges = charges });

        // Both round one result of double arithmetic to float; the native kernel takes rewards in float: 2 eps of a reward
        // over the smallest deviation here, 0.36.
        var perToken = computed.Tokens.Length > 0;
        float[] expected = perToken ? [.. unmasked.Select(i => file.ReadFloats("token_advantages")[i])] : file.ReadFloats("advantages");
        var actual = perToken ? computed.Tokens : computed.Sequences;
        Assert.That(actual, Has.Length.EqualTo(expected.Length));
        for (var i = 0; i < expected.Length; i++)
        {
            Assert.That(actual[i], Is.EqualTo(expected[i]).Within(1e-6), $"{i}");
        }
    }

    [Test]
    public void ReinforcePlusPlus_LeavesMaskedSamplesOut()
    {
        var estimator = Estimator("reinforce_plus_plus");
        var with = estimator.Compute(Batch([1, 0, 99], 3, [true, true, false], [2, 1, 2]));
        var without = estimator.Compute(Batch([1, 0], 2, null, [2, 1]));
        Assert.Multiple(() =>
        {
            Assert.That(with.Tokens[..3], Is.EqualTo(without.Tokens));
            Assert.That(with.Tokens[3..], Is.All.Zero);
            // 1, 1, 0: mean 2/3, unbiased variance 1/3.
            Assert.That(without.Tokens[0], Is.EqualTo(1 / 3.0 / Math.Sqrt(1 / 3.0)).Within(1e-6));
        });
    }

    [Test]
    public void Baseline_TakesTheGroupsMeanAway()
    {
        var tokens = Estimator("reinforce_plus_plus_baseline").Compute(Batch([0, 1, 10, 11], 2)).Tokens;
        var (first, second) = (tokens[..2], tokens[2..]);
        Assert.That(first, Is.EqualTo(second));
        Assert.That(first[1], Is.GreaterThan(first[0]));
    }

    [Test]
    public void Gdpo_DoesNotDrownAPartWithASmallSpread()
    {
        // A part of 0 and 100, and one of 0 and 0.01 that says the opposite for the last two.
        double[][] parts = [[0, 0], [0, 0], [100, 0], [100, 0.01]];
        var batch = Batch([.. parts.Select(p => p[0] + p[1])], 4) with
        {
            Parts = [.. parts.Select(p => (IReadOnlyList<RewardPart>)[new RewardPart("a", p[0], 1), new RewardPart("b", p[1], 2)])],
        };
        var sums = Estimator("gdpo(epsilon=0,whiten=false)").Compute(batch).Sequences;

        // Standard scores: part a (0, 0, 1, 1) has mean 1/2 and unbiased deviation 1/sqrt(3); part b (0, 0, 0, 1) mean 1/4, deviation 1/2.
        double[] expected = [(-Math.Sqrt(3) / 2) - 1, (-Math.Sqrt(3) / 2) - 1, (Math.Sqrt(3) / 2) - 1, (Math.Sqrt(3) / 2) + 3];
        Assert.That(sums.Select(s => (double)s), Is.EqualTo(expected).Within(1e-5));

        var whitened = Estimator("gdpo(epsilon=0)").Compute(batch).Sequences;
        var deviation = Math.Sqrt(expected.Sum(e => e * e) / 3);   // their mean is 0
        Assert.That(whitened.Select(s => (double)s), Is.EqualTo(expected.Select(e => e / deviation)).Within(1e-5));
    }

    [Test]
    public void Gdpo_OfOnePart_IsGrpo()
    {
        double[] rewards = [0.2, 0.9, 0.4];
        var batch = Batch([.. rewards, 7], 4, [true, true, true, false]) with
        {
            Parts = [.. rewards.Select(r => (IReadOnlyList<RewardPart>)[new RewardPart("only", r, 1)]), []],
        };
        Assert.That(
            Estimator("gdpo(whiten=false)").Compute(batch).Sequences, Is.EqualTo(Estimator("grpo").Compute(batch).Sequences).Within(1e-6f));
    }

    [Test]
    public void Gdpo_TellsSamplesApartByTheirParts() =>
        Assert.That(
            Estimator("gdpo").Signals(1, [new RewardPart("a", 0.25, 2), new RewardPart("b", 0.5, 1)]), Is.EqualTo(new[] { 0.25, 0.5 }));

    [TestCase("grop", "`grop` is neither one of dr_grpo, gdpo, grpo, reinforce_plus_plus, reinforce_plus_plus_baseline, rloo nor library.dll:Type")]
    [TestCase("gdpo(eps=1)", "`gdpo` has no option `eps`; it has epsilon, whiten")]
    [TestCase("gdpo(epsilon=-1)", "`gdpo`: `epsilon`: -1, expected number, at least 0")]
    [TestCase("gdpo(epsilon=much)", "`gdpo`: `epsilon`: `much` is not a number")]
    [TestCase("gdpo(whiten=perhaps)", "`gdpo`: `whiten`: `perhaps` is not true or false")]
    [TestCase("rloo(epsilon=1)", "`rloo` has no option `epsilon`; it has none")]
    [TestCase("gdpo(whiten", "the parenthesis is not closed")]
    [TestCase("gdpo(whiten)", "`whiten` is not option=value")]
    [TestCase("nowhere/Mine.dll:Mine", "`nowhere/Mine.dll`: no such file")]
    public void Name_ThatIsNone_IsRefused_AndWhatExistsIsListed(string name, string message) =>
        Assert.That(Assert.Throws<UsageException>(() => Estimator(name))!.Message, Does.Contain(message));

    [TestCase(KlEstimator.K1, 0.5)]
    [TestCase(KlEstimator.K2, 0.125)]
    [TestCase(KlEstimator.K3, 0.106530659712633)]   // exp(-0.5) + 0.5 - 1
    public void Divergence_OfALogRatioOfOneHalf(KlEstimator estimator, double expected) =>
        Assert.That(Divergence.Estimate(estimator, -1, -1.5), Is.EqualTo(expected).Within(1e-12));

    [Test]
    public void ImportanceWeights_AreCutAtTheCap()
    {
        float[] policy = [0, 0, 0];
        float[] drawn = [MathF.Log(2), MathF.Log(0.25f), 0];
        var tokens = Divergence.ImportanceWeights(ImportanceLevel.Token, 3, policy, drawn, [2, 1], out var cut);
        var sequences = Divergence.ImportanceWeights(ImportanceLevel.Sequence, 3, policy, drawn, [2, 1], out var none);
        Assert.Multiple(() =>
        {
            Assert.That(tokens, Is.EqualTo(new[] { 0.5f, 3, 1 }).Within(1e-6f));
            Assert.That(sequences, Is.EqualTo(new[] { 2f, 2, 1 }).Within(1e-6f));
            Assert.That((cut, none), Is.EqualTo((1L, 0L)));
            Assert.That(Divergence.ImportanceWeights(ImportanceLevel.None, 3, policy, drawn, [2, 1], out _), Is.Empty);
        });
    }
}
