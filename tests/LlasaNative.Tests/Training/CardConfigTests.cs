using LlasaNative.Configuration;
using LlasaNative.Engine;
using LlasaNative.RandomCheckpoints;
using LlasaNative.Tests.Support;
using LlasaNative.Training;

namespace LlasaNative.Tests.Training;

/// <summary>The configurations that name a card fit it, by the memory plan for a GPU of models of the true sizes.</summary>
public sealed class CardConfigTests
{
    private const long MiB = 1 << 20;

    // What the driver's context, cuBLASLt's kernels and the gaps between allocations may take, which no plan knows.
    private const long NotPlanned = 1536 * MiB;

    private TemporaryDirectory _folder = null!;

    [OneTimeSetUp]
    public void WriteSizes()
    {
        _folder = new TemporaryDirectory();
        foreach (var (name, kind, like) in new[] { ("llasa-1b", ModelKind.Policy, "llasa-1b"), ("llasa-3b", ModelKind.Policy, "llasa-3b"), ("llasa-8b", ModelKind.Policy, "llasa-8b"), ("codec", ModelKind.Codec, "xcodec2"), ("ear", ModelKind.Recogniser, "whisper-large-v3") })
        {
            RandomCheckpoint.Write(Path.Combine(_folder.Path, name), new RandomCheckpointOptions { Kind = kind, Like = like, HasWeights = false });
        }
    }

    [OneTimeTearDown]
    public void RemoveSizes() => _folder.Dispose();

    // Memory as nvidia-smi tells it, of the card of that name that has the least: A10, H100, H200.
    [TestCase("llasa-1b-grpo-24gb.yaml", 23_028)]
    [TestCase("llasa-1b-grpo.yaml", 81_559)]
    [TestCase("llasa-1b-grpo-80gb.yaml", 81_559)]
    [TestCase("llasa-1b-grpo-h200.yaml", 143_771)]
    [TestCase("llasa-3b-grpo-80gb.yaml", 81_559)]
    [TestCase("llasa-8b-lora-80gb.yaml", 81_559)]
    public void AConfiguration_FitsItsCard(string name, int cardMib)
    {
        var options = Read(name);
        var plan = MemoryPlanner.Plan(options, forGpu: true);
        // The plan of models that have weights is held to what they take by native tests; here, that it knows them all, in bf16.
        Assert.That(plan.Items.Single(i => i.What == "the recogniser's weights").Bytes, Is.EqualTo(1_543_490_560 * 2L).Within(1).Percent);
        TestContext.Out.WriteLine($"{name}: {plan.PeakBytes / 1e9:F1} GB of {cardMib * MiB / 1e9:F1}");
        Assert.That(plan.PeakBytes + NotPlanned, Is.LessThanOrEqualTo(cardMib * MiB), string.Join('\n', plan.Items.Select(i => $"{i.Stage} {i.What} {i.Bytes / 1e9:F2}")));
    }

    [Test]
    public void MomentsOnTheHost_AreNotOnTheCard()
    {
        var options = Read("llasa-3b-grpo-80gb.yaml");
        var with = MemoryPlanner.Plan(options, forGpu: true);
        var without = MemoryPlanner.Plan(options with { Optimiser = options.Optimiser with { OffloadMoments = false } }, forGpu: true);
        var moments = with.Items.Where(i => i.OnHost).Sum(i => i.Bytes);
        var pieces = with.Items.Single(i => i.What == "moments on their way").Bytes;
        Assert.Multiple(() =>
        {
            Assert.That(moments, Is.EqualTo(without.Items.Where(i => i.What is "first moments" or "second moments").Sum(i => i.Bytes)));
            Assert.That(without.PeakBytes - with.PeakBytes, Is.EqualTo(moments - pieces));
            Assert.That(without.PeakBytes, Is.GreaterThan(81_559 * MiB), "why they are on the host");
        });
    }

    [Test]
    public void EightBillionParametersInFull_FitFourCardsOf80GB_WithWeightsInParts()
    {
        const long card = 81_559 * MiB;
        var owners = Read("llasa-1b-grpo.yaml");
        owners = owners with { Models = owners.Models with { Policy = Path.Combine(_folder.Path, "llasa-8b") } };
        var whole = MemoryPlanner.Plan(owners, ranks: 4, forGpu: true);
        var parts = MemoryPlanner.Plan(owners with { Trainer = owners.Trainer with { ShardWeights = true } }, ranks: 4, forGpu: true);
        var beside = MemoryPlanner.Plan(owners with { Trainer = owners.Trainer with { ShardWeights = true }, Loss = owners.Loss with { Reference = ReferenceKind.Bf16 } }, ranks: 4, forGpu: true);
        TestContext.Out.WriteLine($"8B on four ranks: {parts.PeakBytes / 1e9:F1} GB each, {beside.PeakBytes / 1e9:F1} with a reference, {whole.PeakBytes / 1e9:F1} where each has all weights");
        Assert.Multiple(() =>
        {
            Assert.That(whole.PeakBytes, Is.GreaterThan(card));
            Assert.That(parts.PeakBytes + NotPlanned, Is.LessThanOrEqualTo(card), string.Join('\n', parts.Items.Select(i => $"{i.Stage} {i.What} {i.Bytes / 1e9:F2}")));
            // A quarter of 8.57 billion, and what is left over.
            Assert.That(parts.Items.Single(i => i.What == "this rank's weights").Bytes, Is.EqualTo(8_567_300_096.0).Within(0.01).Percent);
            // A frozen reference in bf16: a quarter of two bytes each, and a layer and a table at a time of all of them while it scores.
            Assert.That(beside.Items.Single(i => i.Stage == "reference" && i.What == "this rank's weights").Bytes, Is.EqualTo(8_567_300_096.0 / 2).Within(0.01).Percent);
            Assert.That(beside.Items.Single(i => i.Stage == "reference" && i.What.Contains("brought together", StringComparison.Ordinal)).Bytes, Is.LessThan(8_567_300_096 * 2 / 8));
            Assert.That(beside.PeakBytes + NotPlanned, Is.LessThanOrEqualTo(card), string.Join('\n', beside.Items.Select(i => $"{i.Stage} {i.What} {i.Bytes / 1e9:F2}")));
        });
    }

    [Test]
    public void Variants_TakeAStepOfTheOwnersSize()
    {
        var owners = Read("llasa-1b-grpo.yaml");
        foreach (var name in new[] { "llasa-1b-grpo-24gb.yaml", "llasa-1b-grpo-80gb.yaml", "llasa-1b-grpo-h200.yaml", "llasa-8b-lora-80gb.yaml" })
        {
            var variant = Read(name);
            variant = variant with { Models = variant.Models with { Policy = owners.Models.Policy } };
            Assert.Multiple(() =>
            {
                Assert.That(variant.Loss, Is.EqualTo(owners.Loss), name);
                Assert.That(variant.Rollout with { Slots = owners.Rollout.Slots }, Is.EqualTo(owners.Rollout), name);
                Assert.That(variant.Models, Is.EqualTo(owners.Models), name);
            });
        }
    }

    private GrpoOptions Read(string name)
    {
        var options = OptionTree.Build<GrpoOptions>(OptionFile.Read(Path.Combine(OracleData.RepositoryRoot, "configs", name)));
        return options with
        {
            Models = options.Models with { Policy = Path.Combine(_folder.Path, name[..8]), Codec = Path.Combine(_folder.Path, "codec"), Recogniser = Path.Combine(_folder.Path, "ear") },
        };
    }
}
