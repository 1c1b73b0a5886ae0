using System.Text.Json.Nodes;

namespace LlasaNative.EndToEnd.Tests;

/// <summary><c>llasa bench</c> of one kind of work.</summary>
public sealed class WorkTests : TinyWorldTests
{
    // What a repetition makes, from the arguments.
    [TestCase("decode", 3, "--batch", "3", "--tokens", "5")]
    [TestCase("decode", 1, "--policy-type", "bf16", "--prompt", "20", "--tokens", "4", Category = "Long")]
    [TestCase("prefill", 2 * 40, "--batch", "2", "--prompt", "40", Category = "Long")]
    [TestCase("decode", 2, "--policy-type", "q8", "--batch", "2", "--tokens", "4", Category = "Long")]
    [TestCase("train", 2 * 16, "--batch", "2", "--tokens", "16")]
    [TestCase("vocode", 2 * 30 * 0.02, "--batch", "2", "--tokens", "30", Category = "Long")]
    [TestCase("recognise", 2, "--batch", "2", "--tokens", "6", "--text-tokens", "10", Category = "Long")]
    [TestCase("sample", 3, "--batch", "3", "--vocabulary", "5000")]
    public void Work_IsTimedAgainstItsRoof(string work, double units, params string[] more)
    {
        var outcome = LlasaRunner.RunWell(["bench", "--" + work, "--repeats", "2", "--out", Folder, .. more]);
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, work + ".json")))!;
        Assert.Multiple(() =>
        {
            Assert.That(outcome.Output, Does.StartWith(work + ": "));
            Assert.That((double)json["units"]!, Is.EqualTo(units).Within(1e-9));
            Assert.That((double)json["seconds"]!, Is.GreaterThan(0));
            Assert.That((double)json["units_per_second"]!, Is.EqualTo(units / (double)json["seconds"]!).Within(1e-6).Percent);
            Assert.That(json["all_seconds"]!.AsArray(), Has.Count.EqualTo(2));
            Assert.That((double)json["roof_fraction"]!, Is.GreaterThan(0));
            Assert.That((double)json["read_gb_per_s"]!, Is.GreaterThan(0));
        });
    }

    [Test]
    public void Train_KeepsWhatTheOptionsSay()
    {
        LlasaRunner.RunWell("bench", "--train", "--batch", "1", "--tokens", "4", "--repeats", "1", "--set", "optimiser.recompute=mlp", "--out", Folder);
        var settings = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, "train.json")))!["settings"]!;
        Assert.That(((int)settings["recompute"]!, (int)settings["recompute_mlp"]!), Is.EqualTo((0, 1)));
    }

    [Test]
    public void Tokenize_CountsTheFilesBytes()
    {
        var text = Path.Combine(Folder, "text.txt");
        File.WriteAllText(text, "a big dog\nthe cat\n");
        LlasaRunner.RunWell("bench", "--tokenize", text, "--out", Folder);
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, "tokenize.json")))!;
        // A byte is a token of the tiny policy's; the line ends belong to no line.
        Assert.That(((int)json["settings"]!["bytes"]!, (int)json["settings"]!["tokens"]!), Is.EqualTo((18, 16)));
    }

    [Test, Category("Long")]
    public void Threads_AreSetForAnyWork()
    {
        try
        {
            foreach (var threads in new[] { 1, 2 })
            {
                LlasaRunner.RunWell("bench", "--threads", $"{threads}", "--sample", "--vocabulary", "100", "--out", Folder);
                Assert.That((int)JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, "sample.json")))!["threads"]!, Is.EqualTo(threads));
            }
        }
        finally
        {
            Interop.NativeDevice.SetThreadCount(0);
        }
    }

    [TestCase("--decode and the rest are measured one at a time", "--decode", "--train")]
    [TestCase("--batch: 0 is not at least 1", "--decode", "--batch", "0")]
    [TestCase("--tokens 1: decoding is timed over at least 2", "--decode", "--tokens", "1")]
    [TestCase("610 tokens of prompt and response are more than the 512 the model allows", "--decode", "--prompt", "600", "--tokens", "10")]
    public void WrongSettings_AreRefused(string message, params string[] arguments)
    {
        var outcome = LlasaRunner.Run(["bench", .. arguments, "--out", Folder]);
        Assert.That(outcome.ExitCode, Is.EqualTo(2));
        Assert.That(outcome.Error, Does.Contain(message.Replace("--decode and the rest", "--decode, --prefill, --train, --vocode, --recognise, --sample and --tokenize", StringComparison.Ordinal)));
    }
}
