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
        LlasaRunner.RunWell([.. common, Path.Combine(Folder, "all"), "--samples", "6"]);
        LlasaRunner.RunWell([.. common, Path.Combine(Folder, "best"), "--samples", "2", "--best-of", "3"]);
        double[] Rewards(string folder) => [.. File.ReadLines(Path.Combine(Folder, folder, "samples.jsonl")).Select(l => JsonDocument.Parse(l).RootElement.GetProperty("reward").GetDouble())];
        Assert.Multiple(() =>
        {
            Assert.That(Rewards("best"), Is.EqualTo(Rewards("all").Chunk(3).Select(g => g.Max())));
            Assert.That(JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "best", "summary.json"))).RootElement.GetProperty("samples_per_text").GetInt32(), Is.EqualTo(2));
            Assert.That(LlasaRunner.Run([.. common, Path.Combine(Folder, "x"), "--best-of", "2", "--sounds", Folder]).Error, Does.Contain("goes without --sounds"));
        });
    }
}
