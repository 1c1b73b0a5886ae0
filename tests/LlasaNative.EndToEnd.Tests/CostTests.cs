using System.Globalization;
using LlasaNative.RandomCheckpoints;
using LlasaNative.Tests.Support;
using LlasaNative.Trainer;
using LlasaNative.Trainer.Costs;
using LlasaNative.Training;
using LlasaNative.Weights;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>The account of what a step makes a GPU do.</summary>
public sealed class CostTests : TinyWorldTests
{
    private static string Configs => Path.Combine(OracleData.RepositoryRoot, "configs");

    [Test]
    public void Cost_OfTheOwnersSettings_NamesEveryPhaseAndShape()
    {
        var places = Sizes();
        string[] common = ["inspect", "--cost", places[0], "--codec", places[1], "--recogniser", places[2], "--response-tokens", "1024"];
        var table = LlasaRunner.RunWell([.. common, "--config", Path.Combine(Configs, "llasa-1b-grpo-h200.yaml"), "--shapes"]).Output;
        Assert.Multiple(() =>
        {
            foreach (var phase in new[] { "prompts", "decoding", "vocoder", "recogniser: sound", "recogniser: texts", "gradient", "update", "step" })
            {
                Assert.That(Row(table, phase).Predicted, Is.GreaterThan(Row(table, phase).Roof).And.GreaterThan(0), phase);
            }

            Assert.That(table, Does.Contain("8 x 16 samples of 1024 tokens on average").And.Contain("H200 SXM: 989 Tflop/s"));
            // 16 layers, 2048 steps: rows 64 of 128 on average, gate and up together 16384.
            Assert.That(table, Does.Match(@"decoding +gate and up +64 +16384 +2048 +32768 "));
        });
        var slower = LlasaRunner.RunWell([.. common, "--config", Path.Combine(Configs, "llasa-1b-grpo-h200.yaml"), "--device", "a6000"]).Output;
        Assert.That(Row(slower, "gradient").Roof, Is.GreaterThan(4 * Row(table, "gradient").Roof), "989 to 155 Tflop/s");
        var again = LlasaRunner.RunWell([.. common, "--config", Path.Combine(Configs, "llasa-1b-grpo.yaml")]).Output;
        Assert.That(Row(again, "step").Predicted, Is.LessThan(12), "the goal for the owner's settings on an H200");
        Assert.That(Row(again, "gradient").Roof, Is.GreaterThan(1.1 * Row(table, "gradient").Roof), "layers are computed again");
    }

    [Test]
    public void Cost_OfADeviceFile_IsByItsNumbers()
    {
        var file = Path.Combine(Folder, "card.yaml");
        File.WriteAllText(file, "name: my card\nbf16_tflops: 10\nf32_tflops: 1\nmemory_gb_per_s: 100\n");
        Assert.That(LlasaRunner.RunWell("inspect", "--cost", TinyWorld.Policy, "--device", file).Output, Does.Contain("my card: 10 Tflop/s in bf16, 1.0 in f32, 100 GB/s"));
        File.WriteAllText(file, "memory_gb_per_s: 0\n");
        Assert.That(LlasaRunner.Run("inspect", "--cost", TinyWorld.Policy, "--device", file).Error, Does.Contain("`memory_gb_per_s`: 0, expected number of GB/s, more than 0"));
        Assert.That(LlasaRunner.Run("inspect", "--cost", TinyWorld.Policy, "--device", "h300").Error, Does.Contain("`h300` is not one of h200, h100, a100, a6000, and not a file"));
        Assert.That(LlasaRunner.Run("inspect", "--cost", TinyWorld.Policy, "--response-tokens", "0").Error, Does.Contain("--response-tokens: 0 is not more than 0"));
    }

    [Test]
    public void Cost_OfRanks_IsOfTheParametersByTheirShares()
    {
        var config = LlamaConfig.FromFile(Path.Combine(TinyWorld.Policy, "config.json"));
        using var policy = LlasaNative.Models.PolicyModel.Load(TinyWorld.Policy);
        var matrices = policy.TrainedTensors.Where(t => t.Shape.Count > 1).ToArray();
        double all = matrices.Sum(t => t.Count), layers = matrices.Where(t => t.Name.Contains(".layers.", StringComparison.Ordinal)).Sum(t => t.Count);
        RankTraffic Traffic(bool shards, ComputeType type, double microBatches) => RankTraffic.Of(
            new GrpoOptions { Trainer = new TrainerOptions { ShardWeights = shards }, Models = new ModelOptions { PolicyType = type } }, config, 4, updates: 2, microBatches);
        Assert.That(Traffic(false, ComputeType.Bf16, 10), Is.EqualTo(new RankTraffic(2 * 4 * all * 0.75, 2 * 4 * all * 0.75)));
        // Ten micro-batches are two for the rank that has most, at each of two updates; the last layer stays between forward and backward.
        var brought = (4 * ((2 * layers) - (layers / config.Layers) + (all - layers))) + all;
        Assert.That(Traffic(true, ComputeType.Bf16, 10), Is.EqualTo(new RankTraffic(4 * 4 * all * 0.75, 2 * brought * 0.75)));
        Assert.That(Traffic(true, ComputeType.F32, 10).Weights, Is.EqualTo(4 * brought * 0.75));
        // Of a reference all weights for each of the three micro-batches of the rank that has most; in 8 bits every rank has them.
        RankTraffic Beside(ReferenceKind reference) => RankTraffic.Of(
            new GrpoOptions { Trainer = new TrainerOptions { ShardWeights = true }, Models = new ModelOptions { PolicyType = ComputeType.Bf16 }, Loss = new LossOptions { Reference = reference } }, config, 4, updates: 2, microBatches: 10);
        Assert.That(Beside(ReferenceKind.Bf16).Weights, Is.EqualTo(2 * (brought + (3 * all)) * 0.75));
        Assert.That(Beside(ReferenceKind.F32).Weights, Is.EqualTo(((2 * brought) + (4 * 3 * all)) * 0.75));
        Assert.That(Beside(ReferenceKind.Q8).Weights, Is.EqualTo(2 * brought * 0.75));
        var table = LlasaRunner.RunWell("inspect", "--cost", TinyWorld.Policy, "--ranks", "4", "--set", "trainer.shard_weights=true").Output;
        Assert.That(table, Does.Match(@"each of 4 ranks sends \d+\.\d+ GB of gradients and \d+\.\d+ GB of weights a step"));
        Assert.That(LlasaRunner.Run("inspect", "--cost", TinyWorld.Policy, "--ranks", "0").Error, Does.Contain("--ranks: 0, expected at least 1"));
    }

    [Test]
    public void Cost_OfSeveralUpdates_CountsEachPassAndEachOptimiserStep()
    {
        CostPhase[] Phases(int epochs, int miniBatch) =>
        [
            .. new StepAccount(
                new GrpoOptions { Update = new UpdateOptions { Epochs = epochs, MiniBatchPrompts = miniBatch } }, LlamaConfig.FromFile(Path.Combine(TinyWorld.Policy, "config.json")),
                1025, null, null, new StepLengths(20, 70, 10)).Phases.TakeLast(2),
        ];
        CostPhase[] one = Phases(1, 0), three = Phases(3, 4);   // 16 prompts in four mini-batches, three times
        Assert.Multiple(() =>
        {
            Assert.That(one.Select(p => p.Name), Is.EqualTo(new[] { "gradient", "update" }));
            Assert.That(three[0].ProductFlops, Is.EqualTo(3 * one[0].ProductFlops).Within(1e-9).Percent);
            Assert.That(three[0].Bytes, Is.EqualTo(3 * one[0].Bytes).Within(1e-9).Percent);
            Assert.That(three[0].Pieces.Launches, Is.GreaterThanOrEqualTo(3 * one[0].Pieces.Launches));
            Assert.That(three[1].Bytes, Is.EqualTo(12 * one[1].Bytes).Within(1e-9).Percent);
            Assert.That(three[1].Pieces.Launches, Is.EqualTo(12 * one[1].Pieces.Launches));
        });
    }

    [TestCase(1, 64)]
    [TestCase(8, 64)]
    [TestCase(8, 2)]   // two samples of a group at a time: its prompt is read for each two
    public void Cost_OfALongerPrompt_IsReadOncePerGroupWhileASampleOfItIsDrawn(int samples, int slots)
    {
        var config = LlamaConfig.FromFile(Path.Combine(TinyWorld.Policy, "config.json"));
        const int Prompts = 16, Response = 70;
        CostPhase Decoding(double prompt) => new StepAccount(
            new GrpoOptions { Rollout = new RolloutOptions { PromptsPerStep = Prompts, SamplesPerPrompt = samples, Slots = slots } }, config,
            1025, null, null, new StepLengths(prompt, Response, 10)).Phases[1];
        var together = Math.Min(samples, slots);
        // The longest of n lengths that are spread evenly between nothing and twice the mean is 2 n / (n + 1) of it.
        var reads = Prompts * samples / together * Response * 2.0 * together / (together + 1);
        var token = config.Layers * 2 * config.KeyValueHeads * config.HeadDimension * sizeof(float);
        Assert.That(Decoding(120).Name, Is.EqualTo("decoding"));
        Assert.That(Decoding(120).Bytes - Decoding(20).Bytes, Is.EqualTo(100 * reads * token).Within(1e-6).Percent);
    }

    [Test]
    public void LayerProducts_AreAllWeightsOfTheLayers()
    {
        var config = Path.Combine(Folder, "config.json");
        File.WriteAllText(config, PublicShapes.Config(ModelKind.Policy, "llasa-1b").ToJsonString());
        var policy = LlamaConfig.FromFile(config);
        var weights = ModelTensors.Of(ModelKind.Policy, config, TensorType.BF16)
            .Where(t => t.Name.StartsWith("model.layers.", StringComparison.Ordinal) && t.Shape.Length == 2).Sum(t => t.ElementCount);
        Assert.That(StepAccount.LayerProducts(policy, rows: 3, times: 5, bf16: true).Sum(p => p.Flops), Is.EqualTo(2.0 * weights * 3 * 5));
    }

    [TestCase("7", 3, 7)]
    [TestCase("9 L", 3, 27)]
    [TestCase("12 + 9 L", 3, 39)]
    [TestCase("-1 + 20 L", 2, 39)]
    public void Cells_AreNumbersOfLayers(string cell, int layers, double expected) => Assert.That(PieceCounts.Number(cell, layers), Is.EqualTo(expected));

    private static (double Roof, double Predicted) Row(string table, string phase)
    {
        var row = table.Split('\n').Single(line => line.StartsWith(phase.PadRight(18) + " ", StringComparison.Ordinal) && line.Length == table.Split('\n')[0].Length);
        var cells = row[18..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return (double.Parse(cells[^2], CultureInfo.InvariantCulture), double.Parse(cells[^1], CultureInfo.InvariantCulture));
    }

    private string[] Sizes()
    {
        string[] places = [.. new[] { "policy", "codec", "recogniser" }.Select(kind => Path.Combine(Folder, kind))];
        foreach (var (place, kind, like) in places.Zip(Enum.GetValues<ModelKind>(), new[] { "llasa-1b", "xcodec2", "whisper-large-v3" }))
        {
            RandomCheckpoint.Write(place, new RandomCheckpointOptions { Kind = kind, Like = like, HasWeights = false });
        }

        return places;
    }
}
