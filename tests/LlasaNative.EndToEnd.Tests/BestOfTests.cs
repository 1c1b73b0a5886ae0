using System.Text.Json;

namespace LlasaNative.EndToEnd.Tests;

/// <summary><c>llasa eval --best-of</c>.</summary>
public sealed class BestOfTests : TinyWorldTests
{
    [Test]
    public void Eval_OfTheBestOfSeveral_MeasuresThoseOfAllThatItDraws()
    {
        File.WriteAllLines(Path.Combine(Folder, "texts.txt"), ["a big dog", "the cat sleeps", "where is the white ship", "a quiet river"]);
        string[] common = ["eval", "--data", Path.Combine(Folder, "texts.txt"), "--out"];
        LlasaRunner.RunWell([.. common, Path.Combine(Folder, "all"), "--samples", "6", "--sounds", Path.Combine(Folder, "all", "sounds")]);
        LlasaRunner.RunWell([.. common, Path.Combine(Folder, "best"), "--samples", "2", "--best-of", "3", "--sounds", Path.Combine(Folder, "best", "sounds")]);
        double[] Rewards(string folder) => [.. File.ReadLines(Path.Combine(Folder, folder, "samples.jsonl")).Select(l => JsonDocument.Parse(l).RootElement.GetProperty("reward").GetDouble())];
        byte[][] Sounds(string folder) => [.. Directory.GetFiles(Path.Combine(Folder, folder, "sounds"), "*.wav").Order(StringComparer.Ordinal).Select(File.ReadAllBytes)];
        Assert.Multiple(() =>
        {
            Assert.That(Rewards("best"), Is.EqualTo(Rewards("all").Chunk(3).Select(g => g.Max())));
            Assert.That(Sounds("best"), Is.EqualTo(Sounds("all").Zip(Rewards("all")).Chunk(3).Select(g => g.MaxBy(s => s.Second).First)), "and keeps their sounds, no others");
            Assert.That(File.ReadAllText(Path.Combine(Folder, "best", "samples.jsonl")), Does.Contain("\"sound\":\"0002-1.wav\""));
            Assert.That(JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "best", "summary.json"))).RootElement.GetProperty("samples_per_text").GetInt32(), Is.EqualTo(2));
        });
    }
}
