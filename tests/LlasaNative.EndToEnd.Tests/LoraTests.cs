using System.Text.Json;
using LlasaNative.Models;
using LlasaNative.Trainer;
using LlasaNative.Weights;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>Training an adapter: what it writes, that the base stays, that it resumes, that the merged export says the same.</summary>
public sealed class LoraTests : TinyWorldTests
{
    private static readonly string[] Settings =
    [
        "--set", "lora.rank=4", "--set", "lora.alpha=8", "--set", "loss.kl_coefficient=0.01",
        "--set", "optimiser.learning_rate=0.002", "--set", "optimiser.warmup_steps=0", "--set", "run.export_type=f32",
    ];

    [Test]
    public void Train_Adapter_WritesWhatPeftReads_AndResumesToTheSameBits()
    {
        var (whole, parts) = (Path.Combine(Folder, "whole"), Path.Combine(Folder, "parts"));
        LlasaRunner.RunWell(Train(whole, 2, Settings));
        LlasaRunner.RunWell(Train(parts, 1, Settings));
        LlasaRunner.RunWell(Train(parts, 2, Settings));
        foreach (var file in new[] { "adapter_model.safetensors", "trainer/moments.safetensors" })
        {
            Assert.That(File.ReadAllBytes(Path.Combine(parts, "checkpoints/step-000002", file)), Is.EqualTo(File.ReadAllBytes(Path.Combine(whole, "checkpoints/step-000002", file))), file);
        }

        using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(whole, "adapter/adapter_config.json")));
        using var adapter = SafeTensorsFile.Open(Path.Combine(whole, "adapter/adapter_model.safetensors"));
        using var merged = SafeTensorsFile.Open(Path.Combine(whole, "policy/model.safetensors"));
        using var start = SafeTensorsFile.Open(Path.Combine(TinyWorld.Policy, "model.safetensors"));
        Assert.Multiple(() =>
        {
            Assert.That((config.RootElement.GetProperty("peft_type").GetString(), config.RootElement.GetProperty("r").GetInt32()), Is.EqualTo(("LORA", 4)));
            var b = adapter.ReadFloats("base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight");
            Assert.That(b.Max(Math.Abs), Is.GreaterThan(0), "B was 0 and has learned");
            Assert.That(merged.ReadFloats("model.norm.weight"), Is.EqualTo(start.ReadFloats("model.norm.weight")), "not a target");
            Assert.That(merged.ReadFloats("model.layers.0.self_attn.q_proj.weight"), Is.Not.EqualTo(start.ReadFloats("model.layers.0.self_attn.q_proj.weight")));
            Assert.That(File.Exists(Path.Combine(whole, "checkpoints/step-000002/model.safetensors")), Is.False, "the base is not copied");
            var rows = File.ReadLines(Path.Combine(whole, "metrics.jsonl")).Select(l => JsonDocument.Parse(l).RootElement).ToList();
            Assert.That(rows[0].GetProperty("policy/kl").GetDouble(), Is.LessThan(1e-6), "the reference is the policy without its adapter");
            Assert.That(rows[1].GetProperty("policy/kl").GetDouble(), Is.GreaterThan(1e-6));
            Assert.That(rows[1].GetProperty("policy/logprob_gap_max").GetDouble(), Is.LessThan(1e-4));
        });

        var told = LlasaRunner.RunWell("inspect", Path.Combine(whole, "checkpoints/step-000002"), "--check").Output;
        Assert.That(told, Does.Contain("LoRA adapter").And.Contains("rank 4, alpha 8").And.Contains("after step 2").And.Contains(TinyWorld.Policy).And.Match("finite +yes"));
    }

    [Test, Category("Long")]
    public void Train_AdapterWithDropout_ResumesToTheSameBits_AndDropsSomething()
    {
        string[] settings = [.. Settings, "--set", "lora.dropout=0.2"];
        var (whole, parts, without) = (Path.Combine(Folder, "whole"), Path.Combine(Folder, "parts"), Path.Combine(Folder, "without"));
        LlasaRunner.RunWell(Train(whole, 2, settings));
        LlasaRunner.RunWell(Train(parts, 1, settings));
        LlasaRunner.RunWell(Train(parts, 2, settings));
        LlasaRunner.RunWell(Train(without, 2, Settings));
        byte[] Adapter(string run) => File.ReadAllBytes(Path.Combine(run, "adapter/adapter_model.safetensors"));
        Assert.Multiple(() =>
        {
            Assert.That(Adapter(parts), Is.EqualTo(Adapter(whole)));
            Assert.That(Adapter(without), Is.Not.EqualTo(Adapter(whole)));
            Assert.That(LlasaRunner.RunWell("inspect", Path.Combine(whole, "adapter")).Output, Does.Contain("dropout 0.2"));
        });
    }

    [Test]
    public void Train_AdapterOfUnknownTargets_IsRefused()
    {
        var outcome = LlasaRunner.Run(Train(Folder, 1, "--set", "lora.rank=2", "--set", "lora.targets=q_proj,lm_head"));
        Assert.Multiple(() =>
        {
            Assert.That(outcome.ExitCode, Is.EqualTo(2));
            Assert.That(outcome.Error, Does.Contain("`lm_head`"));
        });
    }

    [Test]
    public void Checkpoint_OfAnotherRank_IsRefused()
    {
        LlasaRunner.RunWell(Train(Folder, 1, Settings));
        using var policy = PolicyModel.Load(TinyWorld.Policy);
        policy.AttachAdapter(new Training.LoraOptions { Rank = 3 }, 1);
        var error = Assert.Throws<ModelFileException>(() => policy.Adapter!.Load(Path.Combine(Folder, "checkpoints/step-000001")));
        Assert.That(error!.Message, Does.Contain("lora_A").And.Contains("expected [3,"));
    }
}
