using Apache.Arrow;
using Apache.Arrow.Types;
using LlasaNative.Data;
using LlasaNative.Data.Parquet;
using LlasaNative.Tests.Support;
using ParquetSharp;
using ParquetSharp.Schema;
using static LlasaNative.Tests.Data.Parquet.Fields;
using ParquetException = LlasaNative.Data.Parquet.ParquetException;

namespace LlasaNative.Tests.Data.Parquet;

public class ParquetReaderTests
{
    private TemporaryDirectory _directory = null!;

    [SetUp]
    public void SetUp() => _directory = new TemporaryDirectory();

    [TearDown]
    public void TearDown() => _directory.Dispose();

    [Test]
    public void ReadRows_OfSomeColumns_LeavesTheOthersOut()
    {
        string path = Path.Combine(OracleData.Cases("parquet").First(d => d.EndsWith("verl_like", StringComparison.Ordinal)), "verl_snappy_dict_v1.parquet");
        using ParquetReader reader = ParquetReader.Open(path);
        ParquetRow row = reader.ReadRows(["extra_info.text", "prompt.list.element.role"]).First();
        Assert.Multiple(() =>
        {
            Assert.That(ParquetJson.Of(row)!.ToJsonString(), Is.EqualTo(
                "{\"prompt\":[{\"role\":\"user\"},{\"role\":\"assistant\"}],\"extra_info\":{\"text\":\" #837434\"}}"));
            Assert.That(() => reader.ReadRows(["nope"]), Throws.TypeOf<ParquetException>().With.Message.EqualTo($"{path}: column `nope`: there is no such column"));
            Assert.That(() => reader.ReadRows([]).Count(), Throws.TypeOf<ParquetException>());
            Assert.That((reader.Has("extra_info"), reader.Has("extra"), reader.HasText("extra_info.text"), reader.HasText("extra_info.index")), Is.EqualTo((true, false, true, false)));
        });
    }

    [Test]
    public void Read_OfAFlippedBit_IsFoundByTheChecksum()
    {
        string path = _directory.File("f.parquet");
        using (ParquetWriter writer = ParquetWriter.Create(path, Of(Words("whole"), Words("a")), new ParquetWriteOptions { Compression = Compression.Uncompressed }))
        {
            for (int i = 0; i < 3000; i++)
            {
                writer.Write("sound", i == 1999 ? "some text that is stored as it is" : "short");
            }

            writer.Complete();
        }

        byte[] file = File.ReadAllBytes(path);
        file[file.AsSpan().IndexOf("stored"u8)] ^= 1;
        File.WriteAllBytes(path, file);
        using ParquetReader reader = ParquetReader.Open(path);
        Assert.That(reader.ReadRows(["whole"]).Count(), Is.EqualTo(3000));
        Assert.That(
            () => reader.ReadRows().Count(),
            Throws.TypeOf<ParquetException>().With.Message.StartsWith($"{path}: row group 0, column `a`, row 0: ").And.Message.Contains("CRC checksum verification failed"));
        using ParquetReader trusting = ParquetReader.Open(new MemoryStream(file), "f", verifyChecksums: false);
        Assert.That(trusting.ReadRows().Count(), Is.EqualTo(3000));
    }

    [Test]
    public void Open_OfNoParquetFile_SaysWhy()
    {
        Assert.That(() => ParquetReader.Open(_directory.File("none")), Throws.TypeOf<ParquetException>().With.Message.EqualTo($"{_directory.File("none")}: no such file"));
        Assert.That(() => ParquetReader.Open(_directory.Path), Throws.TypeOf<ParquetException>().With.Message.Contains("found a directory"));
        string path = _directory.Write("a.parquet", "no Parquet, only a name like one");
        Assert.That(() => ParquetReader.Open(path), Throws.TypeOf<ParquetException>().With.Message.StartsWith($"{path}: ").And.Message.Contains("Parquet magic bytes not found"));
    }

    [Test]
    public void ReadRows_OfATextThatIsNoUtf8_NamesItsRow()
    {
        string path = _directory.File("a.parquet");
        using (ParquetWriter writer = ParquetWriter.Create(path, Of(Words("a")), new ParquetWriteOptions { Compression = Compression.Uncompressed, RowGroupRows = 2 }))
        {
            System.Array.ForEach(["one", "two", "three", "four"], text => writer.Write(text));
            writer.Complete();
        }

        byte[] file = File.ReadAllBytes(path);
        file[file.AsSpan().IndexOf("four"u8)] = 0xff;   // in the page; the bounds in the footer come later
        using ParquetReader reader = ParquetReader.Open(new MemoryStream(file), "f", verifyChecksums: false);
        List<string> read = [];
        Assert.That(
            () => read.AddRange(reader.ReadRows().Select(row => (string)row["a"]!)),
            Throws.TypeOf<ParquetException>().With.Message.EqualTo("f: row group 1, column `a`, row 3: a text is not valid UTF-8"));
    }

    [Test]
    public void PandasCategories_AndLargeTexts_AreRead()
    {
        // As pandas and Hugging Face data sets write them: the schema of Arrow beside that of Parquet, texts with 64-bit offsets or as categories.
        StringArray words = new StringArray.Builder().Append("one").Append("two words").Build();
        DictionaryArray categories = new(new DictionaryType(Int8Type.Default, StringType.Default, false), new Int8Array.Builder().Append(1).AppendNull().Append(0).Build(), words);
        ArrowBuffer offsets = new ArrowBuffer.Builder<long>().AppendRange([0, 1, 1, 2]).Build();
        LargeStringArray large = new(3, offsets, new ArrowBuffer("xy"u8.ToArray()), ArrowBuffer.Empty);
        Schema schema = Of(Leaf("text", categories.Data.DataType), Leaf("language", LargeStringType.Default));
        string path = _directory.File("a.parquet");
        using (ParquetSharp.Arrow.ArrowWriterPropertiesBuilder builder = new())
        using (ParquetSharp.Arrow.ArrowWriterProperties arrow = builder.StoreSchema().Build())
        using (ParquetSharp.Arrow.FileWriter writer = new(path, schema, null, arrow))
        using (RecordBatch batch = new(schema, [categories, large], 3))
        {
            writer.WriteRecordBatch(batch);
            writer.Close();
        }

        using ParquetReader reader = ParquetReader.Open(path);
        Assert.That(reader.ReadRows().Select(row => (row["text"], row["language"])), Is.EqualTo(new (object?, object?)[] { ("two words", "x"), (null, ""), ("one", "y") }));
        Assert.That(PromptSet.Read(DataFiles.Find(path), faults: RowFaults.Skip).Texts, Is.EqualTo(["two words", "one"]));
    }

    [Test]
    public void ReadRows_OfOldListLayouts_GivesTheSameLists()
    {
        // The layouts of the format's compatibility rules: two levels with a leaf, named array, named like a tuple, and a bare repeated field.
        static PrimitiveNode Number(string name, Repetition repetition) => new(name, repetition, LogicalType.None(), PhysicalType.Int32);
        static GroupNode Old(string name, Node repeated) => new(name, Repetition.Optional, [repeated], LogicalType.List());
        using GroupNode schema = new("schema", Repetition.Required,
        [
            Old("leaf", Number("element", Repetition.Repeated)), Old("avro", new GroupNode("array", Repetition.Repeated, [Number("n", Repetition.Optional)])),
            Old("thrift", new GroupNode("thrift_tuple", Repetition.Repeated, [Number("n", Repetition.Optional)])),
            Old("three", new GroupNode("bag", Repetition.Repeated, [Number("n", Repetition.Optional)])), Number("bare", Repetition.Repeated),
        ]);
        string path = _directory.File("a.parquet");
        using (WriterProperties properties = WriterProperties.GetDefaultWriterProperties())
        using (ParquetFileWriter writer = new(path, schema, properties))
        {
            using (RowGroupWriter group = writer.AppendRowGroup())
            {
                // One row of 1, 2 in each column, and one that is null, or empty where it cannot be null.
                foreach (short depth in (short[])[2, 3, 3, 3, 1])
                {
                    using ColumnWriter<int> column = (ColumnWriter<int>)group.NextColumn();
                    column.WriteBatch(3, [depth, depth, 0], [0, 1, 0], [1, 2]);
                }
            }

            writer.Close();
        }

        using ParquetReader reader = ParquetReader.Open(path);
        const string Structs = "[{\"n\":1},{\"n\":2}]";
        Assert.That(reader.ReadRows().Select(row => ParquetJson.Of(row)!.ToJsonString()), Is.EqualTo(
        [
            $"{{\"leaf\":[1,2],\"avro\":{Structs},\"thrift\":{Structs},\"three\":[1,2],\"bare\":[1,2]}}",
            "{\"leaf\":null,\"avro\":null,\"thrift\":null,\"three\":null,\"bare\":[]}",
        ]));
    }
}
