using LlasaNative.Data;
using LlasaNative.Data.Parquet;

namespace LlasaNative.Tests.Data;

public sealed class PromptFileTests
{
    private string _directory = "";

    [SetUp]
    public void CreateDirectory() => _directory = Directory.CreateTempSubdirectory("llasa-prompts-").FullName;

    [TearDown]
    public void DeleteDirectory() => Directory.Delete(_directory, recursive: true);

    [Test]
    public void Read_Text_TrimsAndSkipsBlankLines() =>
        Assert.That(PromptFile.Read(Write("a.txt", "one two\n\n  three \r\n")), Is.EqualTo(new[] { "one two", "three" }));

    [Test]
    public void Read_JsonLines_TakesTheField() =>
        Assert.That(PromptFile.Read(Write("a.jsonl", "{\"say\": \"one\"}\n\n{\"say\": \"zwei \\u00fc\"}\n"), "say"), Is.EqualTo(new[] { "one", "zwei ü" }));

    [TestCase("a.txt", "\n \n", "holds no text")]
    [TestCase("a.doc", "one", ".txt, .jsonl, .csv, .parquet")]
    [TestCase("a.csv", "id\n1", "no column `text`")]
    [TestCase("a.csv", "text,duration\na,-1", "line 2")]
    [TestCase("a.jsonl", "{\"text\": \"a\"}\n{\"text\": 1}", "line 2")]
    [TestCase("a.jsonl", "{\"text\": \"a\"}\nnot json", "line 2")]
    [TestCase("a.jsonl", "{\"text\": \" \"}", "empty")]
    [TestCase("a.jsonl", "[1]", "line 1")]
    public void Read_BadFile_NamesFileAndLine(string name, string content, string expected)
    {
        var path = Write(name, content);
        var error = Assert.Catch<LlasaException>(() => PromptFile.Read(path));
        Assert.That(error!.Message, Does.StartWith(path).And.Contains(expected).And.Not.Contains("\n"));
    }

    [Test]
    public void Read_MissingFile_SaysSo() =>
        Assert.That(Assert.Throws<DataFileException>(() => PromptFile.Read("/nowhere/a.txt"))!.Message, Is.EqualTo("/nowhere/a.txt: there is no such file"));

    [TestCase("a.jsonl", "{\"text\": \"a\", \"voice\": \"v/1.wav\", \"voice_text\": \" hello \"}\n{\"text\": \"b\", \"voice\": \"2.wav\"}\n{\"text\": \"c\"}\n")]
    [TestCase("a.csv", "text,voice_text,voice\na,hello,v/1.wav\nb,,2.wav\nc,hi,\n")]
    [TestCase("a.parquet", null)]
    public void Read_OfRowsThatNameVoices_TakesThemFromTheFilesFolder(string name, string? content)
    {
        var path = Path.Combine(_directory, name);
        if (content is not null)
        {
            Write(name, content);
        }
        else
        {
            Apache.Arrow.Schema schema = new([.. new[] { "text", "voice", "voice_text" }.Select(n => new Apache.Arrow.Field(n, Apache.Arrow.Types.StringType.Default, true))], null);
            using var writer = ParquetWriter.Create(path, schema);
            writer.Write("a", "v/1.wav", "hello");
            writer.Write("b", "2.wav", null);
            writer.Write("c", null, "hi");
            writer.Complete();
        }

        VoiceReference?[] expected = [new(Path.Combine(_directory, "v/1.wav"), "hello"), new(Path.Combine(_directory, "2.wav"), null), null];
        var prompts = PromptSet.Read(DataFiles.Find(path));
        Assert.That(prompts.Voices, Is.EqualTo(expected));
        Assert.That(prompts.Fitting((text, voice) => (text, voice)), Is.EqualTo(new[] { "a", "b", "c" }.Zip(expected)));
        Assert.That(prompts.Take(1).Voices, Is.EqualTo(expected[..1]));
    }

    [Test]
    public void ReadUtterances_ReadsTextAndCodes()
    {
        var read = PromptFile.ReadUtterances(DataFiles.Find(Write("a.jsonl", "{\"text\": \"a b\", \"codes\": [1, 5, 0]}\n")), 6);
        Assert.Multiple(() =>
        {
            Assert.That(read[0].Text, Is.EqualTo("a b"));
            Assert.That(read[0].Codes, Is.EqualTo(new[] { 1, 5, 0 }));
        });
    }

    [TestCase("[6]", "code 6")]
    [TestCase("[-1]", "code -1")]
    [TestCase("[1.5]", "code 1.5")]
    [TestCase("[\"x\"]", "code")]
    [TestCase("[]", "codes")]
    [TestCase("3", "codes")]
    public void ReadUtterances_BadCodes_AreRefused(string codes, string expected)
    {
        var path = Write("a.jsonl", $"{{\"text\": \"a\", \"codes\": {codes}}}");
        Assert.That(Assert.Throws<DataFileException>(() => PromptFile.ReadUtterances(DataFiles.Find(path), 6))!.Message, Does.Contain("line 1").And.Contains(expected));
    }

    [Test]
    public void ReadUtterances_WhenSkipping_ReportsWhatDoesNotFit()
    {
        var path = Write("a.jsonl", "{\"text\": \"a\", \"codes\": [1]}\n{\"text\": \"b\"}\n{\"text\": \"long\", \"codes\": [2]}\n{\"text\": \"c\", \"codes\": [3]}\n");
        List<string> told = [];
        var read = PromptFile.ReadUtterances(
            DataFiles.Find(path), 6, u => u.Text.Length <= 1 ? u.Text : throw new UsageException("too long"), faults: RowFaults.Skip, onSkipped: e => told.Add(e.Message));
        Assert.Multiple(() =>
        {
            Assert.That(read, Is.EqualTo(["a", "c"]));
            Assert.That(told, Is.EqualTo([$"{path}: line 2: has no list `codes`", $"{path}: line 3: too long"]));
        });
    }

    [Test]
    public void PromptSet_OfParquetRows_NamesRowGroupAndRow()
    {
        var path = Path.Combine(_directory, "a.parquet");
        ParquetWriteOptions twoRows = new() { RowGroupRows = 2 };
        VerlFile.Write(path, [.. new[] { "one", "two", "three", "much too long" }.Select((text, i) => VerlRow.ForText(text, "here", "train", i))], twoRows);
        Assert.That(
            () => PromptSet.Read(DataFiles.Find(path)).Fitting(Short),
            Throws.TypeOf<ParquetException>().With.Message.EqualTo($"{path}: row group 1, row 3: 13 characters"));
        List<string> told = [];
        var prompts = PromptSet.Read(DataFiles.Find(path), "text", RowFaults.Skip, e => told.Add(e.Message));
        Assert.Multiple(() =>
        {
            Assert.That(prompts.Fitting(Short), Is.EqualTo([3, 3, 5]));
            Assert.That(told, Has.Count.EqualTo(1));
            Assert.That(() => prompts.Fitting<int>(_ => throw new UsageException("no")), Throws.TypeOf<DataFileException>().With.Message.Contains("no text"));
        });

        static int Short(string text) => text.Length <= 5 ? text.Length : throw new UsageException($"{text.Length} characters");
    }

    [Test]
    public void PromptSet_OfVerlRows_TakesTheGroundTruthWhereTheTextIsMissing()
    {
        var path = Path.Combine(_directory, "a.parquet");
        using (var writer = ParquetWriter.Create(path, VerlFile.Schema()))
        {
            var row = VerlFile.Values(VerlRow.ForText("a", "here", "train", 0));
            writer.Write(row);
            writer.Write([.. row[..4], null]);
            writer.Write([.. row[..3], null, null]);
            writer.Complete();
        }

        List<string> told = [];
        Assert.That(PromptSet.Read(DataFiles.Find(path), "text", RowFaults.Skip, e => told.Add(e.Message)).Texts, Is.EqualTo(["a", "a"]));
        Assert.That(told.Single(), Does.Contain("row group 0, column `reward_model.ground_truth`, row 2"));
    }

    private string Write(string name, string content)
    {
        var path = Path.Combine(_directory, name);
        File.WriteAllText(path, content);
        return path;
    }
}
