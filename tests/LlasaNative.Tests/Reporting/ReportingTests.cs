using System.Text.Json;
using LlasaNative.Recognition;
using LlasaNative.Reporting;
using LlasaNative.Training;

namespace LlasaNative.Tests.Reporting;

public sealed class ReportingTests
{
    private string _directory = "";

    [SetUp]
    public void CreateDirectory() => _directory = Directory.CreateTempSubdirectory("llasa-reporting-").FullName;

    [TearDown]
    public void DeleteDirectory() => Directory.Delete(_directory, recursive: true);

    [Test]
    public void JsonLines_CutBackToALength_GoesOnFromThere()
    {
        var path = Path.Combine(_directory, "metrics.jsonl");
        long length;
        using (JsonLines lines = new(path))
        {
            lines.Append(new MetricRow(1).Add("a", 0.5).Add("b", double.NaN));
            length = lines.Length;
            lines.Append(new MetricRow(2));
        }

        using (JsonLines lines = new(path, length))
        {
            lines.Append(new MetricRow(3).Add("a", 1));
        }

        Assert.That(File.ReadAllText(path), Is.EqualTo("{\"step\":1,\"a\":0.5,\"b\":null}\n{\"step\":3,\"a\":1}\n"));
    }

    [Test]
    public void JsonLines_ShorterThanTheCheckpointSays_IsRefused_WithAdvice_AndNotMade()
    {
        var path = Path.Combine(_directory, "m.jsonl");
        Assert.That(() => new JsonLines(path, 10).Dispose(), Throws.TypeOf<LlasaException>().With.Message.StartsWith($"{path}: has 0 bytes, but the checkpoint was saved at 10: copy the file").And.Message.Contains("--policy"));
        Assert.That(Directory.GetFiles(_directory), Is.Empty);
        File.WriteAllText(path, "{}\n");
        Assert.That(() => new JsonLines(path, 10).Dispose(), Throws.TypeOf<LlasaException>().With.Message.Contains("has 3 bytes"));
        Assert.That(File.ReadAllText(path), Is.EqualTo("{}\n"));
    }

    [Test]
    public void JsonLines_ThatSomebodyWrites_AreNotWrittenByAnother_ButRead()
    {
        var path = Path.Combine(_directory, "m.jsonl");
        using (JsonLines first = new(path))
        {
            first.Append(new MetricRow(1));
            Assert.That(() => new JsonLines(path).Dispose(), Throws.TypeOf<LlasaException>().With.Message.StartsWith($"{path}: cannot be written: "));
            first.Append(new MetricRow(2));
            Assert.That(first.ReadLines(), Is.EqualTo(new[] { "{\"step\":1}", "{\"step\":2}" }));
        }

        using JsonLines second = new(path, new FileInfo(path).Length);
        Assert.That(second.ReadLines(), Has.Count.EqualTo(2));
    }

    [Test]
    public void AtomicFile_ThatFails_LeavesNothingAndKeepsTheOld()
    {
        var path = Path.Combine(_directory, "a.txt");
        AtomicFile.WriteText(path, "old");
        Assert.Throws<ModelFileException>(() => AtomicFile.Write(path, p =>
        {
            File.WriteAllText(p, "half");
            throw new IOException("No space left on device");
        }));
        Assert.Multiple(() =>
        {
            Assert.That(File.ReadAllText(path), Is.EqualTo("old"));
            Assert.That(Directory.GetFiles(_directory), Has.Length.EqualTo(1));
        });
    }

    [Test]
    public void ProgressLine_OnATerminal_OverwritesItself()
    {
        StringWriter output = new();
        ProgressLine line = new(output, 10, live: true, width: 60);
        line.Took(1, "reward 0.5");
        line.Took(2, "x");
        line.Note("a note");
        var written = output.ToString();
        Assert.Multiple(() =>
        {
            Assert.That(written, Does.StartWith("\rstep  1/10  reward 0.5"));
            Assert.That(written, Does.Contain("\rstep  2/10  x"));
            Assert.That(written, Does.EndWith("a note" + Environment.NewLine));
            Assert.That(written.Split('\r').Max(l => l.TrimEnd('\n').Length), Is.LessThan(60));
        });
    }

    [Test]
    public void ProgressLine_Elsewhere_IsALinePerStep()
    {
        StringWriter output = new();
        ProgressLine line = new(output, 2, live: false);
        line.Took(1, "a");
        line.Took(2, "b");
        line.Finish();
        Assert.That(output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries), Has.Length.EqualTo(2));
    }

    [TestCase(0, "0m00s")]
    [TestCase(75, "1m15s")]
    [TestCase(3725, "1h02m")]
    public void Duration_IsShort(double seconds, string expected) => Assert.That(ProgressLine.Duration(seconds), Is.EqualTo(expected));

    [TestCase("a cat", "a cat", "a cat")]
    [TestCase("a cat", "a bat", "a <mark>b</mark>at")]
    [TestCase("a cat", "a at", "a <del>c</del>at")]
    [TestCase("a cat", "", "<del>a cat</del>")]
    [TestCase("", "a<b", "<mark>a&lt;b</mark>")]
    public void CharacterDiff_MarksDifferences(string reference, string transcript, string expected) =>
        Assert.That(CharacterDiff.ToHtml(reference, transcript), Is.EqualTo(expected));

    [Test]
    public void LineChart_MovingMean_LeavesOutNaN() =>
        Assert.That(LineChart.MovingMean([1, double.NaN, 3, 5], 2), Is.EqualTo(new[] { 1.0, 1, 3, 4 }));

    [Test]
    public void LineChart_OfOnePointOrNone_IsDrawn()
    {
        Assert.Multiple(() =>
        {
            Assert.That(LineChart.ToSvg("t", [], "c"), Is.Empty);
            Assert.That(LineChart.ToSvg("t", [0.5], "c"), Does.Contain("<path").And.Not.Contains("NaN"));
        });
    }

    [Test]
    public void DemoPage_NeedsNothingButItself()
    {
        var html = DemoPage.ToHtml(Report());
        Assert.Multiple(() =>
        {
            Assert.That(html, Does.Not.Contain("http").And.Not.Contains("<script").And.Not.Contains("<link").And.Not.Contains("@import"));
            Assert.That(html, Does.Contain("−40").And.Contains("a &lt;b&gt; cat").And.Contains("data:audio/wav;base64,AQID").And.Contains("prefers-color-scheme"));
            Assert.That(html.Split("<audio").Length - 1, Is.EqualTo(2));
            Assert.That(html.Split("<svg").Length - 1, Is.EqualTo(2));
        });
    }

    [Test]
    public void DemoPage_OfFewerSteps_SaysItWasAShortRun()
    {
        var whole = DemoPage.ToHtml(Report());
        var part = DemoPage.ToHtml(Report() with { FullSteps = 255 });
        using var json = JsonDocument.Parse(DemoPage.ToJson(Report() with { FullSteps = 255 }));
        Assert.Multiple(() =>
        {
            Assert.That(whole, Does.Not.Contain("short run").And.Contains("learned to speak more clearly"));
            Assert.That(part, Does.Contain("This was a short run: 3 of the demonstration's 255 steps").And.Not.Contains("learned to speak"));
            Assert.That(json.RootElement.GetProperty("short_run").GetBoolean(), Is.True);
        });
    }

    [Test]
    public void DemoSummary_HasTheAgreedKeys()
    {
        using var json = JsonDocument.Parse(DemoPage.ToJson(Report()));
        var root = json.RootElement;
        Assert.Multiple(() =>
        {
            Assert.That(root.GetProperty("cer_before").GetDouble(), Is.EqualTo(0.15));
            Assert.That(root.GetProperty("cer_after").GetDouble(), Is.EqualTo(0.09));
            Assert.That(root.GetProperty("relative_reduction").GetDouble(), Is.EqualTo(0.4).Within(1e-12));
            Assert.That(root.GetProperty("ci95").EnumerateArray().Select(e => e.GetDouble()), Is.EqualTo(new[] { -0.08, -0.04 }));
            foreach (var key in new[] { "sentences", "seed", "steps", "seconds_total", "seconds_training" })
            {
                Assert.That(root.GetProperty(key).ValueKind, Is.EqualTo(JsonValueKind.Number), key);
            }
        });
    }

    [Test]
    public void DemoPage_WithASecondEar_ShowsBothWithTheirIntervals()
    {
        DemoSecondEar ear = new("<i>ear</i>", (0.45, 0.36), (0.1, 0.2), new IntervalEstimate(-0.09, -0.11, -0.07));
        var pair = Report().Pairs[0];
        var report = Report() with { SecondEar = ear, Pairs = [pair with { After = pair.After with { Second = new SecondTranscript("a bad cat", 2, 3, 7, 1, 3) } }] };
        var html = DemoPage.ToHtml(report);
        using var json = JsonDocument.Parse(DemoPage.ToJson(report));
        var heard = json.RootElement.GetProperty("second_ear");
        Assert.Multiple(() =>
        {
            Assert.That(html, Does.Contain("&lt;i&gt;ear&lt;/i&gt;").And.Not.Contains("<i>ear"));
            Assert.That(html, Does.Contain("−0.0800 to −0.0400").And.Contains("−0.1100 to −0.0700").And.Contains("<strong>−20 %</strong>").And.Contains("second ear, CER 43 %"));
            // Bars of both are drawn to one scale.
            Assert.That(html, Does.Contain("width:33.3%").And.Contains("width:100.0%").And.Contains("width:80.0%"));
            Assert.That(DemoPage.ToHtml(Report()), Does.Not.Contain("second ear"));
            Assert.That(heard.GetProperty("cer_after").GetDouble(), Is.EqualTo(0.36));
            Assert.That(heard.GetProperty("ci95").EnumerateArray().Select(e => e.GetDouble()), Is.EqualTo(new[] { -0.11, -0.07 }));
        });
    }

    private static DemoReport Report() => new(
        CerBefore: 0.15,
        CerAfter: 0.09,
        IntervalLow: -0.08,
        IntervalHigh: -0.04,
        Exact: (0.4, 0.6),
        Reward: (0.7, 0.8),
        Sentences: 400,
        SamplesPerSentence: 2,
        Seed: 1,
        Steps: 3,
        FullSteps: 3,
        SecondsTotal: 10,
        SecondsTraining: 5,
        Device: "cpu",
        RewardCurve: [0.6, double.NaN, 0.7],
        CerCurve: [0.2, 0.15, 0.1],
        Settings: [new("run.seed", "1")],
        Pairs: [new DemoPair("a <b> cat", new DemoClip("a bat", 0.2, [1, 2, 3]), new DemoClip("", 1, [1, 2, 3]))]);
}
