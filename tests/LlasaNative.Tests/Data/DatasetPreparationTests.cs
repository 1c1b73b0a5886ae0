using LlasaNative.Data;
using LlasaNative.Data.Parquet;
using LlasaNative.Tests.Support;

namespace LlasaNative.Tests.Data;

public class DatasetPreparationTests
{
    private TemporaryDirectory _directory = null!;

    [SetUp]
    public void SetUp() => _directory = new TemporaryDirectory();

    [TearDown]
    public void TearDown() => _directory.Dispose();

    private string Output => _directory.File("out");

    [Test]
    public void Prepare_OfEveryKindOfFile_KeepsTheirTextsOnce()
    {
        string folder = _directory.File("set");
        _directory.Write("set/a.txt", "one\n\n  two  \none\n");
        _directory.Write("set/b.jsonl", "{\"text\": \"three\", \"language\": \"en\", \"duration\": 1.5}\n{\"text\": \"  \"}\n");
        _directory.Write("set/sub/c.csv", "id,text\r\n1,\"four, \"\"quoted\"\"\nover lines\"\r\n2,five\r\n");
        _directory.Write("set/readme.md", "not read");
        using (ParquetWriter writer = ParquetWriter.Create(Path.Combine(folder, "d.parquet"), Parquet.Fields.Of(Parquet.Fields.Words("text"))))
        {
            writer.Write("six");
            writer.Write("two");
            writer.Complete();
        }

        PreparationSummary summary = DatasetPreparation.Prepare([folder], Output, new PreparationOptions { TestRatio = 0 });
        VerlRow[] rows = [.. VerlFile.Read(Path.Combine(Output, DatasetPreparation.TrainFile))];
        Assert.Multiple(() =>
        {
            Assert.That(rows.Select(r => r.Text), Is.EqualTo(["one", "two", "three", "six", "four, \"quoted\"\nover lines", "five"]));
            Assert.That(rows.Select(r => r.Index), Is.EqualTo([0L, 1, 2, 3, 4, 5]));
            Assert.That((rows[2].Language, rows[2].Duration), Is.EqualTo(("en", 1.5)));
            Assert.That(rows[0].Language, Is.Null);
            Assert.That(summary, Is.EqualTo(new PreparationSummary(9, 6, 0, 1, 2, 0, 0)));
            Assert.That(VerlFile.Read(Path.Combine(Output, DatasetPreparation.TestFile)), Is.Empty);
            Assert.That(summary.ToTable(), Does.Contain("dropped: duplicate"));
        });
    }

    [Test]
    public void Prepare_KeepsSpeechCodes_SoThatSupervisedTrainingReadsThem()
    {
        string path = _directory.Write("a.jsonl", "{\"text\": \"a\", \"codes\": [3, 1, 4]}\n{\"text\": \"b\"}\n");
        DatasetPreparation.Prepare([path], Output, new PreparationOptions { TestRatio = 0 });
        string train = Path.Combine(Output, DatasetPreparation.TrainFile);
        IReadOnlyList<Utterance> read = PromptFile.ReadUtterances(DataFiles.Find(train), 5, faults: RowFaults.Skip);
        Assert.Multiple(() =>
        {
            Assert.That(read.Select(u => (u.Text, string.Join(' ', u.Codes))), Is.EqualTo([("a", "3 1 4")]));
            Assert.That(
                () => PromptFile.ReadUtterances(DataFiles.Find(train), 4),
                Throws.TypeOf<ParquetException>().With.Message.Contains("row group 0, row 0: `codes`: code 4"));
        });
    }

    [TestCase(100, 0.1, 10)]
    [TestCase(100, 1.0, 100)]
    [TestCase(3, 0.01, 1)]
    [TestCase(2, 0.99, 1)]
    [TestCase(1, 0.5, 1)]
    public void Prepare_WithARatio_GivesThatManyTestRows(int count, double ratio, int test)
    {
        string path = _directory.Write("a.txt", string.Join('\n', Enumerable.Range(0, count)));
        PreparationSummary summary = DatasetPreparation.Prepare([path], Output, new PreparationOptions { TestRatio = ratio, Seed = 3 });
        Assert.That((summary.Train, summary.Test), Is.EqualTo(((long)(count - test), (long)test)));
        string[] TextsOf(string file) => [.. VerlFile.Read(Path.Combine(Output, file)).Select(r => r.Text)];
        string[] train = TextsOf(DatasetPreparation.TrainFile);
        string[] held = TextsOf(DatasetPreparation.TestFile);
        Assert.That(train.Concat(held), Is.EquivalentTo(Enumerable.Range(0, count).Select(i => $"{i}")));
        DatasetPreparation.Prepare([path], Output, new PreparationOptions { TestRatio = ratio, Seed = 3 });
        Assert.That(TextsOf(DatasetPreparation.TestFile), Is.EqualTo(held), "the same seed chooses the same rows");
    }

    [Test]
    public void Prepare_WithALimit_DropsLongPrompts()
    {
        string path = _directory.Write("a.txt", "short\nmuch too long\n");
        PreparationOptions options = new() { TestRatio = 0, MaxLength = 5, Length = row => row.Text.Length };
        Assert.That(DatasetPreparation.Prepare([path], Output, options), Is.EqualTo(new PreparationSummary(2, 1, 0, 0, 0, 1, 0)));
        Assert.That(
            () => DatasetPreparation.Prepare([path], Output, options with { MaxLength = 1 }),
            Throws.TypeOf<UsageException>().With.Message.Contains("nothing is left"));
    }

    [Test]
    public void Prepare_OfMalformedLines_NamesThemOrDropsThem()
    {
        string path = _directory.Write("a.jsonl", "{\"text\": \"good\"}\n{\"text\": 3}\nnonsense\n");
        Assert.That(
            () => DatasetPreparation.Prepare([path], Output),
            Throws.TypeOf<DataFileException>().With.Message.StartsWith($"{path}: line 2: "));
        Assert.That(Directory.Exists(Output), Is.False);
        List<string> told = [];
        PreparationSummary summary = DatasetPreparation.Prepare(
            [path], Output, new PreparationOptions { SkipMalformed = true, OnMalformed = e => told.Add(e.Message) });
        Assert.That((summary.Malformed, told.Count), Is.EqualTo((2L, 2)));
    }

    [Test]
    public void Prepare_OfWhatIsNotThere_SaysSo()
    {
        Assert.Multiple(() =>
        {
            Assert.That(() => DatasetPreparation.Prepare([], Output), Throws.TypeOf<UsageException>());
            Assert.That(() => DatasetPreparation.Prepare([_directory.File("no.txt")], Output), Throws.TypeOf<DataFileException>());
            Assert.That(() => DatasetPreparation.Prepare([_directory.Write("a.doc", "x")], Output), Throws.TypeOf<UsageException>());
            Assert.That(
                () => DatasetPreparation.Prepare([_directory.Write("a.txt", "x")], Output, new PreparationOptions { TestRatio = double.NaN }),
                Throws.TypeOf<UsageException>());
        });
    }

    [Test]
    public void WriteDummy_GivesFiveTrainingAndTwoTestRows()
    {
        DatasetPreparation.WriteDummy(Output);
        Assert.That(VerlFile.Read(Path.Combine(Output, "train.parquet")).Count(), Is.EqualTo(5));
        Assert.That(VerlFile.Read(Path.Combine(Output, "test.parquet")).Select(r => (r.Split, r.Index)), Is.EqualTo([("test", (long?)0), ("test", 1)]));
        Assert.That(PromptFile.Read(Path.Combine(Output, "train.parquet")), Has.Length.EqualTo(5));
    }
}
