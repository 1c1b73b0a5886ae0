using System.Text.Json.Nodes;
using LlasaNative.Audio;
using static LlasaNative.EndToEnd.Tests.LlasaRunner;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>Sounds that an evaluation keeps for whoever listens.</summary>
public sealed class SoundFileTests : TinyWorldTests
{
    [Test]
    public void Eval_KeepsTheSounds()
    {
        var (sounds, results) = (Path.Combine(Folder, "sounds"), Path.Combine(Folder, "results"));
        RunWell("eval", "--limit", "2", "--sounds", sounds, "--out", results);
        string[] lines = File.ReadAllLines(Path.Combine(results, "samples.jsonl"));
        Assert.That(lines, Has.Length.EqualTo(2));
        for (var i = 0; i < lines.Length; i++)
        {
            var sample = JsonNode.Parse(lines[i])!;
            Assert.That((string?)sample["sound"], Is.EqualTo($"000{i + 1}.wav"));
            var wave = WaveFile.Read(Path.Combine(sounds, (string)sample["sound"]!));
            Assert.That(wave.Samples.Length, Is.EqualTo(320 * (int)sample["codes"]!), "320 samples a code");
            Assert.That(File.ReadAllText(Path.Combine(sounds, $"000{i + 1}.txt")), Does.StartWith($"text: {sample["text"]}\nheard: {sample["transcript"]}\n"));
        }
    }
}
