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
