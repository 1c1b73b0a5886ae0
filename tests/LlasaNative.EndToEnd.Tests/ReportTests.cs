using System.Text.Json;
using System.Xml.Linq;
using LlasaNative.Data;
using LlasaNative.Reporting.Rating;
using LlasaNative.Trainer.Commands;
using LlasaNative.Training;

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
    public void Report_DrawsTheErrors_AndHasModelsThatRewardNothing_AndWhatPeoplePrefer()
    {
        System.IO.File.WriteAllLines(File("texts.txt"), ["a big dog", "the cat sleeps", "where is the white ship"]);
        string[] eval = ["eval", "--data", File("texts.txt"), "--set", "reward.components=utility=1,speaking_rate(low=5,high=30)=0"];
        LlasaRunner.RunWell([.. eval, "--second-ear", Trainer.TinyWorld.Recogniser, "--out", File("start")]);
        LlasaRunner.RunWell([.. eval, "--seed", "3", "--temperature", "1", "--out", File("hot & <new>")]);
        Rate("round");
        var outcome = LlasaRunner.RunWell("report", File("start"), File("hot & <new>"), "--ratings", File("round"), "--out", File("report"));
        Assert.That(outcome.Output, Does.Contain("index.html"));
        var page = System.IO.File.ReadAllText(File("report/index.html"));
        var svg = XElement.Parse(page[page.IndexOf("<svg", StringComparison.Ordinal)..(page.IndexOf("</svg>", StringComparison.Ordinal) + 6)]);
        var json = JsonDocument.Parse(System.IO.File.ReadAllText(File("report/report.json"))).RootElement;
        var runs = json.GetProperty("runs");
        double Cer(int run, string of = "value") => runs[run].GetProperty("measures").GetProperty("cer").GetProperty("value").GetProperty(of).GetDouble();
        double Number(XElement element, string name) => double.Parse(element.Attribute(name)!.Value, System.Globalization.CultureInfo.InvariantCulture);
        var bars = svg.Elements("rect").Where(r => (string?)r.Attribute("class") == "own").ToArray();
        var ratings = json.GetProperty("ratings")[0];
        Assert.Multiple(() =>
        {
            Assert.That((string?)svg.Attribute("role"), Is.EqualTo("img"));
            Assert.That(((string)svg.Attribute("aria-labelledby")!).Split(' '), Is.EqualTo(new[] { (string)svg.Element("title")!.Attribute("id")!, (string)svg.Element("desc")!.Attribute("id")! }));
            Assert.That(svg.Element("desc")!.Value, Does.Contain($"start: {Percent(Cer(0))} % ({Percent(Cer(0, "low"))} to {Percent(Cer(0, "high"))})").And.Contains("hot & <new>: "));
            Assert.That(bars, Has.Length.EqualTo(2));
            // Heights are written to a tenth of a unit: each may be off by half of that.
            Assert.That(Number(bars[1], "height") * Cer(0), Is.EqualTo(Number(bars[0], "height") * Cer(1)).Within(0.051 * (Cer(0) + Cer(1))), "as high as the rates");
            Assert.That(svg.Elements("rect").Count(r => (string?)r.Attribute("class") == "second"), Is.EqualTo(1), "of one run nobody asked a second ear");
            Assert.That(page, Does.Contain($"<td>{Percent(Cer(0))} % (").And.Contains("hot &amp; &lt;new&gt;").And.Not.Contains("<new>").And.Not.Contains("href").And.Not.Contains("src="));
            Assert.That(runs[0].GetProperty("measures").GetProperty("part_speaking_rate").GetProperty("value").GetProperty("value").GetDouble(), Is.InRange(-1, 1));
            Assert.That(ratings.GetProperty("judgements").GetInt32(), Is.EqualTo(6));
            Assert.That(ratings.GetProperty("elo").GetProperty("new").GetProperty("value").GetDouble(), Is.GreaterThan(ratings.GetProperty("elo").GetProperty("old").GetProperty("value").GetDouble()));
            Assert.That(LlasaRunner.RunWell("rate", File("round"), "--report").Output, Does.Contain($"new  Elo {ratings.GetProperty("elo").GetProperty("new").GetProperty("value").GetDouble():F0}, 95 %"));
            Assert.That(page, Does.Contain("Preferred by those who listened").And.Contains("anna: 6 judgements").And.Contains("--ratings"));
            Assert.That(LlasaRunner.Run("report", File("start"), "--ratings", File("start")).Error, Does.Contain("pairs.parquet"));
        });

        static string Percent(double share) => (100 * share).ToString("0.0#", System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>Pairs of two policies of which somebody preferred the new one five times of six.</summary>
    private void Rate(string folder)
    {
        Directory.CreateDirectory(File(folder));
        SpeechPair[] pairs = [.. Enumerable.Range(0, 6).Select(i => new SpeechPair(new SampledSpeech("a", [i]) { Policy = "old" }, new SampledSpeech("a", [i, i]) { Policy = "new" }, false))];
        SampleFile.Write(Path.Combine(File(folder), "pairs.parquet"), pairs);
        using RatingBook book = new(Path.Combine(File(folder), "preferences.jsonl"), RateCommand.Fingerprint(SampleFile.ReadPairs(Path.Combine(File(folder), "pairs.parquet"))));
        for (var i = 0; i < pairs.Length; i++)
        {
            book.Add(new PairRating(i, "anna", i == 0 ? RatingChoice.A : RatingChoice.B, IsRepeat: false, Swapped: i % 2 == 0, 1, DateTimeOffset.UnixEpoch));
        }
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
