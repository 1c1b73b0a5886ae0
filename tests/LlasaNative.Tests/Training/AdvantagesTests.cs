using System.Text.Json;
using LlasaNative.Models;
using LlasaNative.Tests.Support;
using LlasaNative.Training;
using LlasaNative.Weights;

namespace LlasaNative.Tests.Training;

/// <summary>Advantages against those of the oracle's cases, which follow each paper's definition over whole sequences.</summary>
public sealed class AdvantagesTests
{
    [TestCase("dapo_clip_higher", AdvantageEstimator.Grpo)]
    [TestCase("dr_grpo_constant", AdvantageEstimator.DrGrpo)]
    [TestCase("rloo_leave_one_out", AdvantageEstimator.Rloo)]
    [TestCase("reinforce_plus_plus", AdvantageEstimator.ReinforcePlusPlus)]
    public void Compute_GivesTheOracles(string name, AdvantageEstimator estimator)
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

        var computed = Advantages.Compute(new LossOptions { Advantage = estimator }, new NativeAdvantageKernel(), rewards, rewards.Length, [true, true, true, true], lengths, charges);

        // Both round one result of double arithmetic to float; the native kernel takes rewards in float: 2 eps of a reward
        // over the smallest deviation here, 0.36.
        var perToken = estimator == AdvantageEstimator.ReinforcePlusPlus;
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
        LossOptions loss = new() { Advantage = AdvantageEstimator.ReinforcePlusPlus };
        var with = Advantages.Compute(loss, new NativeAdvantageKernel(), [1, 0, 99], 3, [true, true, false], [2, 1, 2], []);
        var without = Advantages.Compute(loss, new NativeAdvantageKernel(), [1, 0], 2, [true, true], [2, 1], []);
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
        LossOptions loss = new() { Advantage = AdvantageEstimator.ReinforcePlusPlusBaseline };
        var low = Advantages.Compute(loss, new NativeAdvantageKernel(), [0, 1, 10, 11], 2, [true, true, true, true], [1, 1, 1, 1], []);
        var (first, second) = (low.Tokens[..2], low.Tokens[2..]);
        Assert.That(first, Is.EqualTo(second));
        Assert.That(first[1], Is.GreaterThan(first[0]));
    }

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
