using LlasaNative.Data;

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
    [TestCase("a.csv", "one", ".txt, .jsonl and .parquet")]
    [TestCase("a.jsonl", "{\"text\": \"a\"}\n{\"text\": 1}", "line 2")]
    [TestCase("a.jsonl", "{\"text\": \"a\"}\nnot json", "line 2")]
    [TestCase("a.jsonl", "{\"text\": \" \"}", "empty")]
    [TestCase("a.jsonl", "[1]", "line 1")]
    public void Read_BadFile_NamesFileAndLine(string name, string content, string expected)
    {
        var path = Write(name, content);
        var error = Assert.Throws<ModelFileException>(() => PromptFile.Read(path));
        Assert.That(error!.Message, Does.StartWith(path).And.Contains(expected).And.Not.Contains("\n"));
    }

    [Test]
    public void Read_MissingFile_SaysSo() =>
        Assert.That(Assert.Throws<ModelFileException>(() => PromptFile.Read("/nowhere/a.txt"))!.Message, Is.EqualTo("/nowhere/a.txt: there is no such file"));

    [Test]
    public void ReadUtterances_ReadsTextAndCodes()
    {
        var read = PromptFile.ReadUtterances(Write("a.jsonl", "{\"text\": \"a b\", \"codes\": [1, 5, 0]}\n"), 6);
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
        Assert.That(Assert.Throws<ModelFileException>(() => PromptFile.ReadUtterances(path, 6))!.Message, Does.Contain("line 1").And.Contains(expected));
    }

    private string Write(string name, string content)
    {
        var path = Path.Combine(_directory, name);
        File.WriteAllText(path, content);
        return path;
    }
}
