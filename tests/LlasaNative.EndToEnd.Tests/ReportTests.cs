using System.Text.Json;

namespace LlasaNative.EndToEnd.Tests;

/// <summary><c>llasa report</c> of runs on the tiny world.</summary>
public sealed class ReportTests : TinyWorldTests
{
    private string File(string name) => Path.Combine(Folder, name);

    [Test]
    public void Report_HasWhatTheEvaluationsSay_AndRepeatsToTheBit()
    {
        System.IO.File.WriteAllLines(File("texts.txt"), ["a big dog", "the cat sleeps", "where is the white ship"]);
        string[] eval = ["eval", "--data", File("texts.txt"), "--samples", "2", "--out"];
        var start = LlasaRunner.RunWell([.. eval, File("start")]);
        LlasaRunner.RunWell(Train(File("run"), 2, "--set", "optimiser.learning_rate=0.01", "--set", "optimiser.warmup_steps=0"));
        LlasaRunner.RunWell([.. eval, File("run/evaluation"), "--policy", File("run/policy")]);
        string[] report = ["report", File("start"), File("run"), "--names", "shipped,trained", "--out"];
        LlasaRunner.RunWell([.. report, File("a")]);
        LlasaRunner.RunWell([.. report, File("b")]);
        var runs = JsonDocument.Parse(System.IO.File.ReadAllText(File("a/report.json"))).RootElement.GetProperty("runs");
        double Value(int run, string measure, string of = "value") => runs[run].GetProperty("measures").GetProperty(measure).GetProperty(of).GetProperty("value").GetDouble();
        var summary = JsonDocument.Parse(System.IO.File.ReadAllText(File("run/evaluation/summary.json"))).RootElement;
        Assert.Multiple(() =>
        {
            Assert.That(runs.EnumerateArray().Select(r => r.GetProperty("name").GetString()), Is.EqualTo(new[] { "shipped", "trained" }));
            Assert.That(Value(1, "cer"), Is.EqualTo(summary.GetProperty("cer").GetDouble()).Within(1e-12));
            Assert.That(Value(1, "wer"), Is.EqualTo(summary.GetProperty("wer").GetDouble()).Within(1e-12));
            Assert.That(Value(1, "exact"), Is.EqualTo(summary.GetProperty("exact").GetDouble()).Within(1e-12));
            Assert.That(Value(1, "nll"), Is.EqualTo(summary.GetProperty("nll").GetDouble()).Within(1e-9));
            Assert.That(Value(1, "cer", "difference"), Is.EqualTo(Value(1, "cer") - Value(0, "cer")).Within(1e-12));
            Assert.That(Value(0, "cer", "difference"), Is.Zero, "the first is what the others are compared with");
            Assert.That(runs[1].GetProperty("costs").GetProperty("steps").GetInt64(), Is.EqualTo(2));
            Assert.That(runs[0].GetProperty("costs").GetProperty("steps").GetInt64(), Is.Zero);
            Assert.That(runs[1].GetProperty("settings").GetProperty("optimiser.learning_rate").GetString(), Is.EqualTo("0.01"));
            Assert.That(runs[1].GetProperty("diversity").GetProperty("different").GetDouble(), Is.InRange(0.1, 1), "two samples at temperature 0.8 differ");
            Assert.That(System.IO.File.ReadAllText(File("a/report.json")), Is.EqualTo(System.IO.File.ReadAllText(File("b/report.json"))));
            Assert.That(System.IO.File.ReadAllText(File("a/index.html")), Does.Contain("shipped").And.Contains("spread of pitch, semitones").And.Contains("llasa report").And.Not.Contains("src=\"http"));
            Assert.That(start.Output, Does.Contain("CER"));
        });
    }

    [Test]
    public void Report_OfWhatDoesNotBelongTogether_IsRefused()
    {
        System.IO.File.WriteAllText(File("one.txt"), "a big dog\n");
        System.IO.File.WriteAllText(File("other.txt"), "the cat sleeps\n");
        LlasaRunner.RunWell("eval", "--data", File("one.txt"), "--out", File("one"));
        LlasaRunner.RunWell("eval", "--data", File("other.txt"), "--out", File("other"));
        Assert.Multiple(() =>
        {
            Assert.That(LlasaRunner.Run("report", File("one"), File("other")).Error, Does.Contain("is not of the texts of"));
            Assert.That(LlasaRunner.Run("report", File("one"), Folder).Error, Does.Contain("is neither a run (run.json), nor an evaluation"));
            Assert.That(LlasaRunner.Run("report", File("one"), "--names", "a,b").Error, Does.Contain("2 names of 1 directories"));
        });
    }
}
