using System.Text;
using System.Text.Json;
using LlasaNative.Reporting.Dashboard;
using LlasaNative.Weights;

namespace LlasaNative.Tests.Reporting;

public sealed class DashboardDataTests
{
    private string _directory = "";

    private string Metrics => Path.Combine(_directory, "metrics.jsonl");

    [SetUp]
    public void CreateDirectory() => _directory = Directory.CreateTempSubdirectory("llasa-dashboard-").FullName;

    [TearDown]
    public void DeleteDirectory() => Directory.Delete(_directory, recursive: true);

    [Test]
    public void Tail_LeavesAnUnfinishedLineForTheNextTime()
    {
        LineTail tail = new(Metrics);
        Assert.That(Read(tail), Is.Empty, "no file yet");
        File.WriteAllText(Metrics, "one\ntw");
        Assert.That(Read(tail), Is.EqualTo(new[] { "0:one" }));
        File.AppendAllText(Metrics, "o\n");
        Assert.That(Read(tail), Is.EqualTo(new[] { "4:two" }));
        Assert.That(Read(tail), Is.Empty);
    }

    [Test]
    public void Tail_OfLinesLongerThanItsBuffer_ReadsThem()
    {
        var line = new string('x', 200_000);
        File.WriteAllText(Metrics, $"{line}\na\n{line}\n");
        Assert.That(Read(new LineTail(Metrics)), Is.EqualTo(new[] { "0:" + line, "200001:a", "200003:" + line }));
    }

    [TestCase("one\n", "restart 0:one", TestName = "Tail_OfAFileThatWasCut_StartsAgain")]
    [TestCase("one\nTWO\nthree\n", "restart 0:one 4:TWO 8:three", TestName = "Tail_OfAFileThatGrewAnew_StartsAgain")]
    [TestCase("one\ntwo\nthree\n", "8:three", TestName = "Tail_OfAFileThatGrew_GoesOn")]
    public void Tail(string later, string expected)
    {
        LineTail tail = new(Metrics);
        File.WriteAllText(Metrics, "one\ntwo\n");
        Read(tail);
        File.WriteAllText(Metrics, later);
        Assert.That(string.Join(' ', Read(tail)), Is.EqualTo(expected));
    }

    [Test]
    public void Tail_OfAFileThatVanished_StartsAgain()
    {
        LineTail tail = new(Metrics);
        File.WriteAllText(Metrics, "one\n");
        Read(tail);
        File.Delete(Metrics);
        Assert.That(Read(tail), Is.EqualTo(new[] { "restart" }));
        File.WriteAllText(Metrics, "one\n");
        Assert.That(Read(tail), Is.EqualTo(new[] { "0:one" }));
    }

    [Test]
    public void Folder_LeavesOutWhatIsNoRow_AndFillsWhatIsMissing()
    {
        File.WriteAllText(Metrics, """
            {"step":1,"a":0.5}
            not json
            [1]
            {"a":1}
            {"step":2,"a":null,"b":1234567.8,"c":"text","d":{"e":[1]}}
            {"step":2,"a":7}
            {"step":5,"a":1e-5,"a":2}

            """);
        RunFolder run = new(_directory);
        run.Refresh();
        using var json = Written(run.ReadMetrics(-1, 0));
        Assert.Multiple(() =>
        {
            Assert.That(json.RootElement.GetProperty("steps").ToString(), Is.EqualTo("[1,2,5]"));
            Assert.That(json.RootElement.GetProperty("columns").ToString(), Is.EqualTo("{\"a\":[0.5,null,1E-05],\"b\":[null,1.23457E+06,null]}"));
        });
    }

    [Test]
    public void Folder_TellsOnlyWhatIsNew_UnlessTheEpochIsAnother()
    {
        File.WriteAllText(Metrics, "{\"step\":1}\n{\"step\":2}\n");
        RunFolder run = new(_directory);
        run.Refresh();
        Assert.Multiple(() =>
        {
            Assert.That(Steps(0, 1), Is.EqualTo("[2]"));
            Assert.That(Steps(0, 2), Is.EqualTo("[]"));
            Assert.That(Steps(0, 9), Is.EqualTo("[1,2]"), "more than there is");
            Assert.That(Steps(0, -1), Is.EqualTo("[1,2]"));
            Assert.That(Steps(3, 1), Is.EqualTo("[1,2]"));
        });

        string Steps(int epoch, int from)
        {
            using var json = Written(run.ReadMetrics(epoch, from));
            return json.RootElement.GetProperty("steps").ToString();
        }
    }

    [Test]
    public void Folder_IndexesSamples()
    {
        File.WriteAllText(Metrics, "{\"step\":1}\n");
        File.WriteAllText(Path.Combine(_directory, "samples.jsonl"), """
            {"step":1,"text":"a","sound":"samples/x.wav"}
            {"step":1,"text":"b","nested":{"step":9,"sound":"no"}}
            {"broken
            {"step":3,"text":"c","sound":null}

            """);
        RunFolder run = new(_directory);
        run.Refresh();
        using var json = Written(run.ReadIndex(-1, 0));
        Assert.Multiple(() =>
        {
            Assert.That(json.RootElement.GetProperty("count").GetInt32(), Is.EqualTo(3));
            Assert.That(json.RootElement.GetProperty("starts").ToString(), Is.EqualTo("[[1,0],[3,2]]"));
            Assert.That(json.RootElement.GetProperty("sounding").ToString(), Is.EqualTo("[0]"));
            Assert.That(run.ReadSamples(1, 5).Select(l => l.GetProperty("text").GetString()), Is.EqualTo(new[] { "b", "c" }));
            Assert.That(run.ReadSamples(9, 5), Is.Empty);
        });

        // Cut back after it was indexed: what is gone, or half there, is not given.
        File.WriteAllText(Path.Combine(_directory, "samples.jsonl"), "{\"step\":1,\"text\":\"a\",\"sound\":\"samples/x.wav\"}\n{\"step\":1,\"text\":\"bbbbbbb");
        Assert.That(run.ReadSamples(0, 5), Has.Count.EqualTo(1));
    }

    [Test]
    public void Find_LooksOneLevelDown_AndTellsRunsApart()
    {
        foreach (var name in new[] { "a/run", "b/run", "b/other", "b/empty" })
        {
            Directory.CreateDirectory(Path.Combine(_directory, name));
            if (name != "b/empty")
            {
                File.WriteAllText(Path.Combine(_directory, name, "metrics.jsonl"), "");
            }
        }

        var found = RunFolder.Find([Path.Combine(_directory, "a", "run") + "/", Path.Combine(_directory, "b"), Path.Combine(_directory, "b", "run")]);
        Assert.That(found.Select(r => r.Name), Is.EqualTo(new[] { "a/run", "other", "b/run" }));
        Assert.Throws<LlasaException>(() => RunFolder.Find([_directory + "/nothing"]));
    }

    [Test]
    public void Export_HoldsEverything_AndCannotBeBrokenOutOf()
    {
        Directory.CreateDirectory(Path.Combine(_directory, "samples"));
        File.WriteAllText(Metrics, "{\"step\":1,\"a\":0.5}\n");
        File.WriteAllText(Path.Combine(_directory, "run.json"), "{\"options\":{\"x\":\"</script><b>\"}}");
        File.WriteAllText(Path.Combine(_directory, "samples.jsonl"),
            "{\"step\":1,\"text\":\"</script><script>alert(1)</script>\",\"sound\":\"samples/step-000001-best.wav\"}\n{\"step\":1,\"sound\":\"../../etc/passwd\"}\n");
        File.WriteAllBytes(Path.Combine(_directory, "samples", "step-000001-best.wav"), [1, 2, 3]);
        using StringWriter page = new();
        DashboardPage.Write(page, [new RunFolder(_directory)], 10, DateTimeOffset.UnixEpoch);
        var html = page.ToString();
        Assert.Multiple(() =>
        {
            Assert.That(html, Does.Contain("id=\"sound-0-step-000001-best.wav\">AQID</script>"));
            Assert.That(html, Does.Not.Contain("alert(1)</script>").And.Not.Contain("<b>").And.Not.Contain("<!--"));
            Assert.That(html, Does.Contain("1970-01-01 00:00 UTC"));
            Assert.That(html.Split("http").Length - 1, Is.EqualTo(2), "the SVG namespace and http-equiv");
        });
    }

    private static List<string> Read(LineTail tail)
    {
        List<string> lines = [];
        tail.Read(() => lines.Add("restart"), (line, offset) => lines.Add($"{offset}:{Encoding.UTF8.GetString(line)}"));
        return lines;
    }

    private static JsonDocument Written(object data) => JsonDocument.Parse(JsonWriting.ToPage(data));
}
