using System.Text.Json;
using LlasaNative.Interop;
using LlasaNative.Models;
using LlasaNative.Trainer;
using LlasaNative.Training;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>Frozen models in 8 bits: what says so, what they take, how far they judge from float32, and what is refused by name.</summary>
public sealed class Q8Tests : TinyWorldTests
{
    [Test]
    public void Eval_InQ8_SpeaksAndJudgesAlike_AndTheSameForAnyNumberOfThreads()
    {
        string[] common = ["eval", "--limit", "16", "--seed", "3"];
        string[] narrow = [.. common, "--policy-type", "q8", "--scoring-type", "q8"];
        LlasaRunner.RunWell([.. common, "--out", Path.Combine(Folder, "f32")]);
        LlasaRunner.RunWell([.. narrow, "--threads", "1", "--out", Path.Combine(Folder, "q8")]);
        LlasaRunner.RunWell([.. narrow, "--threads", "2", "--out", Path.Combine(Folder, "again")]);
        var (f32, q8) = (Summary("f32"), Summary("q8"));
        Assert.Multiple(() =>
        {
            Assert.That(File.ReadAllText(Path.Combine(Folder, "again/samples.jsonl")), Is.EqualTo(File.ReadAllText(Path.Combine(Folder, "q8/samples.jsonl"))));
            Assert.That(q8.Nll, Is.Not.EqualTo(f32.Nll), "nothing was rounded");

            // Other weights draw other samples: 16 sentences of some 20 characters, of which 12 % are wrong, agree within 2 deviations of 2 %.
            Assert.That(q8.Cer, Is.EqualTo(f32.Cer).Within(0.06));
        });

        (double Cer, double Nll) Summary(string run)
        {
            using var summary = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, run, "summary.json")));
            return (summary.RootElement.GetProperty("cer").GetDouble(), summary.RootElement.GetProperty("nll").GetDouble());
        }
    }

    [Test]
    public void FrozenPolicy_TakesNineEighthsOfAByteAWeight_AndAReferenceToo()
    {
        static long Live() => NativeDevice.GetLiveCounts().AllocatedBytes;
        var start = Live();
        using var policy = PolicyModel.Load(TinyWorld.Policy, frozen: true);
        var whole = Live() - start;
        start = Live();
        using var copy = policy.CopyFrozen(ComputeType.Q8);
        var copied = Live() - start;
        start = Live();
        using var loaded = PolicyModel.Load(TinyWorld.Policy, type: ComputeType.Q8, frozen: true);
        Assert.Multiple(() =>
        {
            Assert.That(copied, Is.EqualTo(1.125 / 4 * whole).Within(0.005 * whole));
            Assert.That(Live() - start, Is.EqualTo(copied));
        });
    }

    [Test]
    public void Training_RefusesAPolicyInQ8_AndTakesAReference()
    {
        var refused = LlasaRunner.Run(Train(Folder, 1, "--set", "models.policy_type=q8"));
        var adapter = LlasaRunner.Run(Train(Folder, 1, "--set", "models.policy_type=q8", "--set", "lora.rank=4"));
        var run = Path.Combine(Folder, "reference");
        LlasaRunner.RunWell(Train(run, 1, "--set", "loss.kl_coefficient=0.01", "--set", "loss.reference=q8"));
        using var row = JsonDocument.Parse(File.ReadLines(Path.Combine(run, "metrics.jsonl")).First());
        Assert.Multiple(() =>
        {
            Assert.That(refused.ExitCode, Is.Not.Zero);
            Assert.That(refused.Error, Does.Contain("models.policy_type").And.Contain("8-bit weights cannot be trained"));
            Assert.That(adapter.ExitCode, Is.Not.Zero);
            Assert.That(adapter.Error, Does.Contain("models.policy_type").And.Contain("8-bit weights take no adapter"));
            Assert.That(row.RootElement.GetProperty("policy/kl").GetDouble(), Is.InRange(1e-7, 0.05), "of another model, but not by much");
        });
    }
}
