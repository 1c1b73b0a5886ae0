namespace LlasaNative.EndToEnd.Tests.Faults;

/// <summary>The newest checkpoint is damaged in every way a disk or a hand can damage it.</summary>
public sealed class CheckpointTests : FaultTests
{
    private static readonly Dictionary<string, Action<string>> _damages = new()
    {
        ["weights cut"] = c => Cut(Path.Combine(c, "model.safetensors")),
        ["weights with one bit changed"] = c => Flip(Path.Combine(c, "model.safetensors"), 0.7),
        ["weights' header changed"] = c => Flip(Path.Combine(c, "model.safetensors"), 1e-6),
        ["moments with one bit changed"] = c => Flip(Path.Combine(c, "trainer", "moments.safetensors"), 0.5),
        ["moments gone"] = c => File.Delete(Path.Combine(c, "trainer", "moments.safetensors")),
        ["state changed"] = c => Flip(Path.Combine(c, "trainer", "state.json"), 0.3),
        ["state empty"] = c => File.WriteAllText(Path.Combine(c, "trainer", "state.json"), ""),
        ["manifest gone"] = c => File.Delete(Path.Combine(c, "checkpoint.json")),
        ["manifest cut"] = c => Cut(Path.Combine(c, "checkpoint.json")),
        ["manifest of another step"] = c => File.Copy(Path.Combine(c, "..", "step-000001", "checkpoint.json"), Path.Combine(c, "checkpoint.json"), overwrite: true),
        ["empty directory"] = c =>
        {
            Directory.Delete(c, recursive: true);
            Directory.CreateDirectory(c);
        },
    };

    public static IEnumerable<string> Damages => _damages.Keys;

    [TestCaseSource(nameof(Damages))]
    public void NewestCheckpoint_Damaged_IsPassedOver(string damage)
    {
        LlasaRunner.RunWell(Run(Folder, 2));
        _damages[damage](Path.Combine(Folder, "checkpoints", "step-000002"));
        var second = LlasaRunner.RunWell(Run(Folder));
        Assert.That(second.Error, Does.Contain("step-000002: ").And.Contains("passed over").And.Contains("resumed after step 1"));
        AssertUndisturbed(Folder, damage);
    }

    [Test]
    public void EveryCheckpoint_Damaged_EndsWithAnErrorAndChangesNothing()
    {
        LlasaRunner.RunWell(Run(Folder, 2));
        foreach (var checkpoint in Directory.GetDirectories(Path.Combine(Folder, "checkpoints")))
        {
            Flip(Path.Combine(checkpoint, "model.safetensors"), 0.5);
        }

        var metrics = File.ReadAllBytes(Path.Combine(Folder, "metrics.jsonl"));
        var second = LlasaRunner.Run(Run(Folder));
        Assert.Multiple(() =>
        {
            Assert.That(second.ExitCode, Is.EqualTo(1));
            Assert.That(second.Error, Does.Contain("no checkpoint is sound").And.Contains("--resume never"));
            Assert.That(File.ReadAllBytes(Path.Combine(Folder, "metrics.jsonl")), Is.EqualTo(metrics));
        });
        LlasaRunner.RunWell(Run(Folder, "--resume", "never"));
        AssertUndisturbed(Folder, "started anew");
    }

    [Test]
    public void NamedCheckpoint_Damaged_IsRefused()
    {
        LlasaRunner.RunWell(Run(Folder, 2));
        var named = Path.Combine(Folder, "checkpoints", "step-000001");
        Flip(Path.Combine(named, "trainer", "moments.safetensors"), 0.5);
        var second = LlasaRunner.Run(Run(Folder, "--resume", named));
        Assert.That(second.ExitCode, Is.EqualTo(1));
        Assert.That(second.Error, Does.Contain($"{named}: not a checkpoint that can be resumed").And.Contains("moments.safetensors is damaged"));
    }

    private static void Cut(string path)
    {
        using var file = File.OpenWrite(path);
        file.SetLength(file.Length / 2);
    }

    private static void Flip(string path, double where)
    {
        var bytes = File.ReadAllBytes(path);
        bytes[(int)(bytes.Length * where)] ^= 1;
        File.WriteAllBytes(path, bytes);
    }
}
