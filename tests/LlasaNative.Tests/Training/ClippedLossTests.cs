using System.Text.Json;
using LlasaNative.Tests.Support;
using LlasaNative.Training;
using LlasaNative.Weights;

namespace LlasaNative.Tests.Training;

/// <summary>The numbers per token that a loss comes to.</summary>
public sealed class ClippedLossTests
{
    /// <summary>Two samples of 1 and 3 tokens that count, and between them one that does not.</summary>
    private static readonly LossBatch Batch = new([1, 2, 3], [true, false, true], [2, 9, 9, -1, -1, -1]) { MaxTokens = 8 };

    [TestCase(LossAggregation.TokenMean, 1 / 4f, 1 / 4f)]
    [TestCase(LossAggregation.SequenceMean, 1 / 2f, 1 / 6f)]
    [TestCase(LossAggregation.Constant, 1 / 16f, 1 / 16f)]
    public void Terms_WeighTokensAsTheAggregationSays(LossAggregation aggregation, float first, float last)
    {
        var terms = new ClippedLoss(new LossOptions { Aggregation = aggregation }).Terms(Batch);
        Assert.Multiple(() =>
        {
            Assert.That(terms.PolicyWeights, Is.EqualTo(new[] { first, 0, 0, last, last, last }));
            Assert.That(terms.Advantages, Is.EqualTo(Batch.Advantages));
            Assert.That(terms.KlWeights, Is.Empty);
            Assert.That(terms.EntropyWeights, Is.Empty);
            Assert.That(terms.PolicyCaps, Is.Empty);
        });
    }

    [Test]
    public void Terms_GiveKlAndEntropyWeightsOfTheirOwn_AlwaysAsTheMeanOverTokens()
    {
        LossOptions options = new() { Aggregation = LossAggregation.Constant, KlCoefficient = 0.5, EntropyCoefficient = 0.25 };
        var terms = new ClippedLoss(options).Terms(Batch);
        Assert.Multiple(() =>
        {
            Assert.That(terms.KlWeights, Is.EqualTo(new[] { 0.125f, 0, 0, 0.125f, 0.125f, 0.125f }));
            Assert.That(terms.EntropyWeights, Is.EqualTo(new[] { 0.0625f, 0, 0, 0.0625f, 0.0625f, 0.0625f }));
            Assert.That(new ClippedLoss(options with { KlPlacement = KlPlacement.Reward }).Terms(Batch).KlWeights, Is.Empty, "charged in the reward");
        });
    }

    [Test]
    public void Terms_ScaleThePolicyTermAloneByImportance_AndKeepMaskedTokensOut()
    {
        LossOptions options = new() { KlCoefficient = 1 };
        var terms = new ClippedLoss(options).Terms(Batch with { Importance = [2, float.NaN, 3, 0.5f, 1, 0.25f] });
        Assert.Multiple(() =>
        {
            Assert.That(terms.PolicyWeights, Is.EqualTo(new[] { 0.5f, 0, 0, 0.125f, 0.25f, 0.0625f }));
            Assert.That(terms.KlWeights, Is.EqualTo(new[] { 0.25f, 0, 0, 0.25f, 0.25f, 0.25f }));
        });
    }

    [Test]
    public void Terms_BoundTheLossOfNegativeAdvantagesAlone_WithADualClip() =>
        Assert.That(
            new ClippedLoss(new LossOptions { DualClip = 3 }).Terms(Batch).PolicyCaps,
            Is.EqualTo(new[] { float.PositiveInfinity, float.PositiveInfinity, float.PositiveInfinity, 3, 3, 3 }));

    [Test]
    public void Shape_SaysWhatNeedsCurrentLogProbs()
    {
        LossOptions options = new() { Ratio = RatioLevel.Sequence, ClipLow = 3e-4, ClipHigh = 4e-4, KlEstimator = KlEstimator.K2 };
        Assert.That(new ClippedLoss(options).Shape, Is.EqualTo(new LossShape(PolicyTerm.Ratio, RatioLevel.Sequence, 3e-4, 4e-4, KlEstimator.K2)));
    }

    private static IEnumerable<string> Cases() => OracleData.Cases("llama_grad").Where(c => !c.EndsWith("sft_ce", StringComparison.Ordinal));

    [TestCaseSource(nameof(Cases))]
    public void Terms_ComeToTheOraclesLoss(string folder)
    {
        var manifest = OracleData.Manifest(folder);
        using var inputs = SafeTensorsFile.Open(Path.Combine(folder, "inputs.safetensors"));
        using var expected = SafeTensorsFile.Open(Path.Combine(folder, "expected_token.safetensors"));
        var mask = inputs.ReadFloats("response_mask");
        int[] cells = [.. Enumerable.Range(0, mask.Length).Where(i => mask[i] != 0)];
        float[] Tokens(SafeTensorsFile file, string name) => file.Contains(name) ? [.. cells.Select(i => file.ReadFloats(name)[i])] : [];
        var sequences = manifest.GetProperty("loss").TryGetProperty("rewards", out var r) ? r.GetArrayLength() : manifest.GetProperty("loss").GetProperty("advantages").GetArrayLength();
        var width = mask.Length / sequences;
        int[] lengths = [.. Enumerable.Range(0, sequences).Select(b => cells.Count(i => i / width == b))];
        var advantages = Tokens(inputs, "token_advantages");
        if (advantages.Length == 0)
        {
            advantages = [.. cells.Select(i => inputs.ReadFloats("advantages")[i / width])];
        }

        var options = Options(manifest.GetProperty("loss"), out var longest);
        ClippedLoss loss = new(options);
        var terms = loss.Terms(new LossBatch(lengths, [.. lengths.Select(_ => true)], advantages)
        {
            OldLogProbs = Tokens(inputs, "old_logp"),
            ReferenceLogProbs = Tokens(inputs, "ref_logp"),
            Importance = Tokens(inputs, "importance"),
            MaxTokens = longest,
        });

        var value = PlainLoss.Of(loss.Shape, terms, lengths, Tokens(expected, "logp"), Tokens(expected, "entropy"));
        Assert.That(
            value, Is.EqualTo(manifest.GetProperty("expected_steps")[0].GetProperty("loss").GetDouble()).Within(manifest.GetProperty("tolerance").GetProperty("loss_abs").GetDouble()));
    }

    private static LossOptions Options(JsonElement given, out int longest)
    {
        double Number(string name, double otherwise) => given.TryGetProperty(name, out var value) ? value.GetDouble() : otherwise;
        string Text(string name) => given.TryGetProperty(name, out var value) ? value.GetString()! : "";
        longest = (int)Number("constant", 0);
        return new LossOptions
        {
            ClipLow = Number("clip_low", 0.2),
            ClipHigh = Number("clip_high", 0.2),
            DualClip = Number("dual_clip_c", 0),
            KlCoefficient = Number("kl_coef", 0),
            EntropyCoefficient = Number("entropy_coef", 0),
            Ratio = Text("ratio") == "sequence" ? RatioLevel.Sequence : RatioLevel.Token,
            KlEstimator = Text("kl_estimator") switch { "k1" => KlEstimator.K1, "k2" => KlEstimator.K2, _ => KlEstimator.K3 },
            Aggregation = Text("agg") switch
            {
                "seq-mean-token-mean" => LossAggregation.SequenceMean,
                "constant" => LossAggregation.Constant,
                _ => LossAggregation.TokenMean,
            },
        };
    }
}
