using System.Text.Json;
using LlasaNative.Interop;
using LlasaNative.Trainer;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>Tests on the tiny models: each has a directory of its own and leaves no native handle behind.</summary>
[NonParallelizable]
public abstract class TinyWorldTests
{
    /// <summary>What is measured with a clock, and so may differ between two runs.</summary>
    private static readonly string[] _clocked = ["seconds/", "speed/", "memory/"];

    /// <summary>Empty before each test, removed after it.</summary>
    protected string Folder { get; private set; } = "";

    /// <summary>Arguments of a training run that takes seconds.</summary>
    protected static string[] Train(string folder, int steps, params string[] more) =>
    [
        "train", "--out", folder, "--steps", steps.ToString(System.Globalization.CultureInfo.InvariantCulture), "--seed", "7",
        "--set", "rollout.prompts_per_step=2", "--set", "rollout.samples_per_prompt=2", "--set", "run.save_every=1", "--set", "run.keep=0",
        "--set", "run.samples_every=2", .. more,
    ];

    [OneTimeSetUp]
    public void FindTheTinyWorld()
    {
        try
        {
            if (File.Exists(Path.Combine(TinyWorld.Policy, "config.json")))
            {
                return;
            }
        }
        catch (UsageException)
        {
            // Said below.
        }

        Assert.Ignore("the tiny models are not in assets/tiny and LLASA_TINY_WORLD names no other place");
    }

    [SetUp]
    public void CreateFolder() => Folder = Directory.CreateTempSubdirectory("llasa-e2e-").FullName;

    [TearDown]
    public void NothingIsLeft()
    {
        Directory.Delete(Folder, recursive: true);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var counts = NativeDevice.GetLiveCounts();
        Assert.That(
            (counts.Policies, counts.Rollouts, counts.Trainers, counts.Codecs, counts.Whispers, counts.Buffers, counts.AllocatedBytes),
            Is.EqualTo((0L, 0L, 0L, 0L, 0L, 0L, 0L)), "native handles and bytes alive");
    }

    /// <summary>Weights and optimiser state of a checkpoint.</summary>
    protected static (byte[] Weights, byte[] Moments) Checkpoint(string run, int step)
    {
        var path = Path.Combine(run, "checkpoints", $"step-{step:D6}");
        return (File.ReadAllBytes(Path.Combine(path, "model.safetensors")), File.ReadAllBytes(Path.Combine(path, "trainer", "moments.safetensors")));
    }

    protected static void AssertSame((byte[] Weights, byte[] Moments) actual, (byte[] Weights, byte[] Moments) expected) =>
        Assert.That(actual.Weights.AsSpan().SequenceEqual(expected.Weights) && actual.Moments.AsSpan().SequenceEqual(expected.Moments), "same bits");

    /// <summary>What every step of a run measured without a clock.</summary>
    protected static string[] Measurements(string run) => [.. File.ReadLines(Path.Combine(run, "metrics.jsonl")).Select(line =>
    {
        using var json = JsonDocument.Parse(line);
        return string.Join(' ', json.RootElement.EnumerateObject()
            .Where(p => !_clocked.Any(c => p.Name.StartsWith(c, StringComparison.Ordinal))).Select(p => $"{p.Name}={p.Value.GetRawText()}"));
    })];
}
