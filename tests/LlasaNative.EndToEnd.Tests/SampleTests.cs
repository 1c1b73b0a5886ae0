using LlasaNative.Data;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>From samples to corpora and to pairs, on the tiny world.</summary>
public sealed class SampleTests : TinyWorldTests
{
    private string File(string name) => Path.Combine(Folder, name);

    private string Texts()
    {
        System.IO.File.WriteAllLines(File("texts.txt"), ["a big dog", "the cat sleeps", "where is the white ship", "a quiet river"]);
        return File("texts.txt");
    }

    [Test]
    public void Samples_BecomePairs_OnWhichDpoTrains()
    {
        var outcome = LlasaRunner.RunWell("sample", "--data", Texts(), "--samples", "4", "--temperature", "1", "--out", File("samples.parquet"));
        Assert.That(outcome.Output, Does.Contain("16 of 16 samples"));
        var samples = SampleFile.Read(File("samples.parquet"));
        LlasaRunner.RunWell("pair", File("samples.parquet"), "--margin", "0.001", "--out", File("pairs.parquet"));
        var pairs = PromptFile.ReadPairs(DataFiles.Find(File("pairs.parquet")), 1024, p => p);
        double Reward(IReadOnlyList<int> codes) => samples.First(s => s.Codes.SequenceEqual(codes)).Reward;
        Assert.Multiple(() =>
        {
            Assert.That(pairs, Is.Not.Empty);
            Assert.That(pairs.All(p => Reward(p.Chosen) > Reward(p.Rejected)));
            Assert.That(samples.Select(s => (s.Policy, s.Ended)).Distinct(), Is.EqualTo(new[] { ("tiny", true) }));
            Assert.That(samples.Select(s => s.F0Semitones).Where(double.IsFinite), Is.Not.Empty.And.All.Positive);
            Assert.That(samples.Select(s => s.Rate), Is.All.InRange(1, 100));
        });
        LlasaRunner.RunWell("dpo", "--data", File("pairs.parquet"), "--out", File("run"), "--steps", "2", "--set", "dpo.batch_size=2");
    }

    [Test]
    public void BestOfEachText_IsACorpusThatIsHeardBetter()
    {
        var all = LlasaRunner.RunWell("sample", "--data", Texts(), "--samples", "4", "--out", File("all.parquet"));
        LlasaRunner.RunWell("sample", "--data", Texts(), "--best-of", "4", "--out", File("best.parquet"));
        var (drawn, best) = (SampleFile.Read(File("all.parquet")), SampleFile.Read(File("best.parquet")));
        Assert.That(best.Select(s => s.Reward), Is.EqualTo(drawn.Chunk(4).Select(g => g.Max(s => s.Reward))), "of the same samples");
        LlasaRunner.RunWell("sft", "--data", File("best.parquet"), "--out", File("raft"), "--steps", "1", "--set", "sft.batch_size=2");
        Assert.Multiple(() =>
        {
            Assert.That(LlasaRunner.Run("sample", "--data", Texts(), "--best-of", "2", "--samples", "2").Error, Does.Contain("give it or --samples"));
            Assert.That(LlasaRunner.Run("sample", "--data", Texts(), "--min-reward", "2", "--out", File("none.parquet")).Error, Does.Contain("none of 4 samples has a reward of 2 or more"));
        });
    }

    [Test]
    public void Speak_TheBestOfSeveral_WritesOneOfThose()
    {
        var draw = LlasaRunner.RunWell("speak", "the cat sleeps", "--samples", "4", "--codes", "--out", File("draw.wav"));
        var best = LlasaRunner.RunWell("speak", "the cat sleeps", "--best-of", "4", "--codes", "--out", File("best.wav"));
        Assert.Multiple(() =>
        {
            var chosen = System.IO.File.ReadAllText(File("best.codes.txt"));
            var which = Enumerable.Range(1, 4).Single(i => System.IO.File.ReadAllText(File($"draw-{i}.codes.txt")) == chosen);
            Assert.That(System.IO.File.ReadAllBytes(File("best.wav")), Is.EqualTo(System.IO.File.ReadAllBytes(File($"draw-{which}.wav"))), "the same sound");
            Assert.That(best.Output, Does.Contain("the best of 4 of").And.Contains("heard: "));
            Assert.That(draw.Output, Does.Not.Contain("the best of"));
        });
    }

    [Test]
    public void Pairs_AtRandom_WaitForPeople_AndRulesNameWhatTheyLack()
    {
        LlasaRunner.RunWell("sample", "--data", Texts(), "--samples", "2", "--out", File("samples.parquet"), "--name", "one");
        LlasaRunner.RunWell("sample", "--data", Texts(), "--samples", "2", "--seed", "2", "--out", File("others.parquet"), "--name", "other");
        var outcome = LlasaRunner.RunWell("pair", File("samples.parquet"), File("others.parquet"), "--rule", "random", "--across", "--per-text", "2", "--out", File("open.parquet"));
        Assert.Multiple(() =>
        {
            Assert.That(outcome.Output, Does.Contain("8 pairs of 4 texts, 16 samples; nobody has chosen yet"));
            Assert.That(LlasaRunner.Run("pair", File("samples.parquet"), "--rule", "lively").Error, Does.Contain("--rule lively wants --f0-semitones and --rate"));
            Assert.That(LlasaRunner.Run("pair", File("samples.parquet"), "--rule", "best").Error, Does.Contain("reward, cer, lively, random"));
            Assert.That(LlasaRunner.Run("pair", File("samples.parquet"), "--margin", "5").Error, Does.Contain("no two of 8 samples are a pair by this rule"));
        });
    }
}
