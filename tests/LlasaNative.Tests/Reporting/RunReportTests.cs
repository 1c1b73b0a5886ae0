using LlasaNative.Reporting.Publishing;
using LlasaNative.Tests.Support;

namespace LlasaNative.Tests.Reporting;

/// <summary>What a report says of runs whose files are damaged.</summary>
public sealed class RunReportTests
{
    private const string Sample = """{"text": "a", "transcript": "a", "seconds": 1}""";

    [TestCase("""{"samples_per_text": 1""", "is no summary of an evaluation")]
    [TestCase("""[]""", "is no summary of an evaluation")]
    [TestCase("""{"seed": 1}""", "is no summary of an evaluation")]
    [TestCase("""{"samples_per_text": 1.5}""", "is no summary of an evaluation")]
    [TestCase("""{"samples_per_text": "1"}""", "is no summary of an evaluation")]
    [TestCase("""{"samples_per_text": 0}""", "samples_per_text is 0, expected 1 or more")]
    public void Make_OfADamagedSummary_NamesTheFile(string summary, string fault)
    {
        using TemporaryDirectory folder = new();
        var path = folder.Write("summary.json", summary);
        folder.Write("samples.jsonl", Sample + "\n");
        Assert.That(() => RunReport.Make([folder.Path], null, "", 1), Throws.TypeOf<LlasaException>().With.Message.StartsWith(path).And.Message.Contains(fault));
    }

    [TestCase("""{"command": "train" """)]
    [TestCase("""[]""")]
    [TestCase("""{"options": 5}""")]
    public void Make_OfADamagedManifest_NamesTheFile(string manifest)
    {
        using TemporaryDirectory folder = new();
        var path = folder.Write("run.json", manifest);
        Assert.That(() => RunReport.Make([folder.Path], null, "", 1), Throws.TypeOf<LlasaException>().With.Message.StartsWith(path).And.Message.Contains("is no manifest of a run"));
    }

    [Test]
    public void Make_PassesOverRowsThatAreNone()
    {
        using TemporaryDirectory folder = new();
        folder.Write("run.json", "{}");
        folder.Write("metrics.jsonl", "{\"seconds/step\": 3600}\n5\n{\"seconds/st");
        var run = RunReport.Make([folder.Path], null, "", 1).Runs[0];
        Assert.That((run.Steps, run.Hours), Is.EqualTo((1, 1.0)));
    }

    [Test]
    public void Different_IsTheShareOfSamplesThatAreUnlikeTheOthers()
    {
        using TemporaryDirectory folder = new();
        folder.Write("summary.json", """{"samples_per_text": 3}""");
        string Line(int codes) => $$"""{"text": "a", "transcript": "a", "codes": {{codes}}, "f0_semitones": 1}""" + "\n";
        folder.Write("samples.jsonl", Line(5) + Line(5) + Line(6) + Line(7) + Line(7) + Line(7));
        Assert.That(RunReport.Different(RunReport.Make([folder.Path], null, "", 1, 10).Runs[0]), Is.EqualTo((0.5 + 0) / 2));
    }
}
