using LlasaNative.Data.Parquet;
using LlasaNative.Tests.Support;

namespace LlasaNative.Tests.Data.Parquet;

public class VerlFileTests
{
    private TemporaryDirectory _directory = null!;

    [SetUp]
    public void SetUp() => _directory = new TemporaryDirectory();

    [TearDown]
    public void TearDown() => _directory.Dispose();

    [Test]
    public void Write_ThenRead_GivesTheSameRows()
    {
        VerlRow[] rows =
        [
            VerlRow.ForText("Hello", "here", "train", 0),
            VerlRow.ForText("안녕하세요", "here", "train", 1) with { Language = "ko", Duration = 1.25 },
        ];
        string path = _directory.File("train.parquet");
        VerlFile.Write(path, rows);
        VerlRow[] back = [.. VerlFile.Read(path)];
        Assert.Multiple(() =>
        {
            Assert.That(back.Select(row => row with { Prompt = [] }), Is.EqualTo(rows.Select(row => row with { Prompt = [] })));
            Assert.That(back.Select(row => row.Prompt), Is.EqualTo(rows.Select(row => row.Prompt)));
            Assert.That(
                back[0].Prompt[0].Content,
                Is.EqualTo("Convert the text to speech:<|TEXT_UNDERSTANDING_START|>Hello<|TEXT_UNDERSTANDING_END|>"));
        });
    }

    [Test]
    public void Read_OfRowsThatDoNotFit_NamesFileRowGroupAndRow()
    {
        string path = _directory.File("bad.parquet");
        using (ParquetWriter writer = ParquetWriter.Create(path, VerlFile.Schema(), new ParquetWriteOptions { RowGroupRows = 2 }))
        {
            object?[] good = VerlFile.Values(VerlRow.ForText("a", "here", "train", 0));
            writer.Write(good);
            writer.Write(good);
            writer.Write(good);
            writer.Write([good[0], null, .. good[2..]]);
            writer.Write([.. good[..3], null, null]);
            writer.Complete();
        }

        Assert.That(
            () => VerlFile.Read(path).Count(),
            Throws.TypeOf<ParquetException>().With.Message.EqualTo($"{path}: row group 1, column `prompt`, row 3: it is null"));
        List<string> skipped = [];
        VerlReadOptions lenient = new() { SkipMalformed = true, OnSkipped = e => skipped.Add($"{e.RowGroup} {e.Row} {e.Column}") };
        Assert.That(VerlFile.Read(path, lenient).Count(), Is.EqualTo(3));
        Assert.That(skipped, Is.EqualTo(["1 3 prompt", "2 4 reward_model.ground_truth"]));
    }

    [Test]
    public void VerlRows_WithAnyIndexDurationAndMoreColumns_AreRead()
    {
        (ParquetField Field, object? Value, long? Read)[] indexes =
        [
            (ParquetField.Text("index"), "12", 12), (ParquetField.Text("index"), "row-a", null),
            (ParquetField.Leaf("index", ParquetPhysicalType.Double), 3.0, 3), (ParquetField.Leaf("index", ParquetPhysicalType.Double), double.NaN, null),
            (ParquetField.Leaf("index", ParquetPhysicalType.Float), 0.5f, null), (ParquetField.Leaf("index", ParquetPhysicalType.Int32), 7, 7),
            (ParquetField.Leaf("index", ParquetPhysicalType.Int64), null, null), (ParquetField.Leaf("index", ParquetPhysicalType.Boolean), true, null),
            (ParquetField.List("index", ParquetField.Leaf("element", ParquetPhysicalType.Int64)), new object?[] { 1L }, null),
            (ParquetField.Group("index", ParquetField.Text("file")), new ParquetRow(["file"], ["a"]), null),
        ];
        (ParquetField Field, object? Value, double? Read)[] durations =
        [
            (ParquetField.Leaf("duration", ParquetPhysicalType.Int32), 3, 3), (ParquetField.Leaf("duration", ParquetPhysicalType.Int64), 4L, 4),
            (ParquetField.Leaf("duration", ParquetPhysicalType.Float), 1.5f, 1.5), (ParquetField.Leaf("duration", ParquetPhysicalType.Double), double.NaN, null),
            (ParquetField.Leaf("duration", ParquetPhysicalType.Double), null, null),
        ];
        string path = _directory.File("a.parquet");
        foreach ((ParquetField field, object? value, long? read) in indexes)
        {
            foreach ((ParquetField length, object? seconds, double? known) in durations)
            {
                ParquetSchema schema = new(
                    ParquetField.Leaf("uid", ParquetPhysicalType.Int64), ParquetField.Text("prompt"),
                    ParquetField.Group("reward_model", ParquetField.Leaf("ground_truth", ParquetPhysicalType.Double)),
                    ParquetField.Group("extra_info", field, ParquetField.Text("text"), ParquetField.Leaf("need_tools", ParquetPhysicalType.Boolean)), length);
                using (ParquetWriter writer = ParquetWriter.Create(path, schema))
                {
                    writer.Write([1L, "say it", new ParquetRow(["ground_truth"], [1.0]), new ParquetRow([field.Name, "text", "need_tools"], [value, "a b", false]), seconds]);
                    writer.Complete();
                }

                (VerlRow? row, _, _) = VerlFile.ReadPlaces(path, needsPrompt: false).Single();
                Assert.That((row?.Text, row?.Index, row?.Duration), Is.EqualTo(("a b", read, known)));
                Assert.That(LlasaNative.Data.PromptFile.Read(path), Is.EqualTo(["a b"]));
            }
        }
    }

    [Test]
    public void VerlRows_WhoseTextIsInThePromptAlone_AreRead()
    {
        string path = _directory.File("a.parquet");
        ParquetField turns = ParquetField.List("prompt", ParquetField.Group("element", ParquetField.Text("role"), ParquetField.Text("content")));
        using (ParquetWriter writer = ParquetWriter.Create(path, new ParquetSchema(ParquetField.Text("data_source"), turns)))
        {
            VerlRow row = VerlRow.ForText("a b", "here", "train", 0);
            writer.Write(VerlFile.Values(row)[..2]);
            writer.Write(["here", new object?[] { new ParquetRow(["role", "content"], ["user", "sing"]) }]);
            writer.Complete();
        }

        List<string> told = [];
        Assert.That(LlasaNative.Data.PromptSet.Read(LlasaNative.Data.DataFiles.Find(path), faults: LlasaNative.Data.RowFaults.Skip, onSkipped: e => told.Add(e.Message)).Texts, Is.EqualTo(["a b"]));
        Assert.That(told.Single(), Does.Contain("row 1").And.Contains("holds a text"), "said of the row without text only");
    }

    [Test]
    public void Read_OfAFileWithoutPrompts_NamesTheColumn()
    {
        string path = _directory.File("texts.parquet");
        using (ParquetWriter writer = ParquetWriter.Create(path, new ParquetSchema(ParquetField.Text("text"))))
        {
            writer.Complete();
        }

        Assert.That(() => VerlFile.Read(path).Count(), Throws.TypeOf<ParquetException>().With.Message.Contains("`prompt`"));
    }

    [Test]
    public void Read_OfTheOracleFiles_TakesTheRowsThatFit()
    {
        foreach (string path in OracleData.Cases("parquet").SelectMany(d => Directory.GetFiles(d, "verl_*.parquet")))
        {
            int skipped = 0;
            VerlReadOptions lenient = new() { SkipMalformed = true, OnSkipped = _ => skipped++ };
            VerlRow[] rows = [.. VerlFile.Read(path, lenient)];
            using ParquetReader reader = ParquetReader.Open(path);
            Assert.That(rows.Length + skipped, Is.EqualTo(reader.RowCount));
            Assert.That(rows, Is.Not.Empty);
            Assert.That(rows.Select(row => row.Prompt[0].Role), Has.Some.EqualTo("user"));
        }
    }
}
