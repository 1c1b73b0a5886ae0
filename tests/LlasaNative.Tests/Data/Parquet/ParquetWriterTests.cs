using LlasaNative.Data.Parquet;
using LlasaNative.Tests.Support;

namespace LlasaNative.Tests.Data.Parquet;

/// <summary>What the writer writes, the reader gives back; <c>tests/oracle/check_parquet.py</c> asks pyarrow the same.</summary>
public class ParquetWriterTests
{
    private static readonly Dictionary<string, ParquetEncoding> _deltas = new()
    {
        ["i32"] = ParquetEncoding.DeltaBinaryPacked,
        ["i64"] = ParquetEncoding.DeltaBinaryPacked,
        ["u64"] = ParquetEncoding.DeltaBinaryPacked,
        ["text"] = ParquetEncoding.DeltaByteArray,
        ["bytes"] = ParquetEncoding.DeltaLengthByteArray,
        ["fixed"] = ParquetEncoding.DeltaByteArray,
        ["flag"] = ParquetEncoding.Rle,
        ["ints.list.element"] = ParquetEncoding.DeltaBinaryPacked,
        ["people.list.element.name"] = ParquetEncoding.DeltaByteArray,
    };

    private static readonly Dictionary<string, ParquetEncoding> _splits = new()
    {
        ["i32"] = ParquetEncoding.ByteStreamSplit,
        ["i64"] = ParquetEncoding.ByteStreamSplit,
        ["f32"] = ParquetEncoding.ByteStreamSplit,
        ["f64"] = ParquetEncoding.ByteStreamSplit,
        ["fixed"] = ParquetEncoding.ByteStreamSplit,
    };

    private TemporaryDirectory _directory = null!;

    public static IEnumerable<TestCaseData> Combinations()
    {
        foreach (ParquetCodec codec in (ParquetCodec[])[ParquetCodec.None, ParquetCodec.Snappy, ParquetCodec.Gzip, ParquetCodec.Brotli, ParquetCodec.Zstd, ParquetCodec.Lz4Raw])
        {
            foreach (int version in (int[])[1, 2])
            {
                foreach (string encoding in (string[])["plain", "dictionary", "fallback", "delta", "split"])
                {
                    foreach (bool small in (bool[])[false, true])
                    {
                        ParquetWriteOptions options = new()
                        {
                            Codec = codec,
                            PageVersion = version,
                            UseDictionary = encoding is "dictionary" or "fallback",
                            DictionaryBytes = encoding == "fallback" ? 100 : 1 << 20,
                            Encodings = encoding == "delta" ? _deltas : encoding == "split" ? _splits : [],
                            PageBytes = small ? 64 : 1 << 20,
                            PageRows = small ? 7 : 20_000,
                            RowGroupRows = small ? 23 : 100_000,
                            WriteStatistics = !small,
                            WriteChecksums = small,
                            Metadata = new Dictionary<string, string> { ["maker"] = "test" },
                        };
                        yield return new TestCaseData(options).SetArgDisplayNames($"{codec}_v{version}_{encoding}_{(small ? "small" : "large")}");
                    }
                }
            }
        }
    }

    [SetUp]
    public void SetUp() => _directory = new TemporaryDirectory();

    [TearDown]
    public void TearDown() => _directory.Dispose();

    [TestCaseSource(nameof(Combinations))]
    public void Write_WithAnyOptions_GivesFilesThatReadBackEqual(ParquetWriteOptions options)
    {
        string source = OracleData.Cases("parquet").First(d => d.EndsWith("all_types", StringComparison.Ordinal));
        string[] expected = File.ReadAllLines(Path.Combine(source, "rows.jsonl"));
        using ParquetReader original = ParquetReader.Open(Path.Combine(source, "plain_none_v1.parquet"));
        string path = _directory.File("copy.parquet");
        ParquetSchema schema = CopyOf(original.Schema);
        using (ParquetWriter writer = ParquetWriter.Create(path, schema, Existing(options, schema)))
        {
            foreach (ParquetRow row in original.ReadRows())
            {
                writer.Write(row);
            }

            Assert.That(File.Exists(path), Is.False, "the file appears when it is complete");
            writer.Complete();
        }

        using ParquetReader reader = ParquetReader.Open(path);
        ParquetRow[] rows = [.. reader.ReadRows()];
        Assert.That(rows, Has.Length.EqualTo(expected.Length));
        for (int i = 0; i < rows.Length; i++)
        {
            ParquetJson.AssertEqual(rows[i], expected[i], $"row {i}");
        }

        Assert.Multiple(() =>
        {
            Assert.That(reader.Metadata["maker"], Is.EqualTo("test"));
            Assert.That(reader.RowGroups, Has.Count.EqualTo((expected.Length + options.RowGroupRows - 1) / options.RowGroupRows));
            Assert.That(Directory.GetFiles(_directory.Path), Has.Length.EqualTo(1), "no temporary file stays");
            ParquetColumnChunk text = reader.RowGroups[0].Columns[reader.Schema.Find("text")!.ColumnIndex];
            Assert.That(text.DictionaryPageOffset is not null, Is.EqualTo(options.UseDictionary));
            Assert.That(text.Statistics is not null, Is.EqualTo(options.WriteStatistics));
        });
        if (Environment.GetEnvironmentVariable("LLASA_PARQUET_OUT") is { Length: > 0 } folder)
        {
            string name = TestContext.CurrentContext.Test.Name.Split('(')[^1].TrimEnd(')');
            File.Copy(path, Path.Combine(folder, name + ".parquet"), overwrite: true);
            File.WriteAllLines(Path.Combine(folder, name + ".jsonl"), expected);
        }
    }

    [Test]
    public void Write_OfNoRows_GivesAnEmptyFile()
    {
        string path = _directory.File("empty.parquet");
        using (ParquetWriter writer = ParquetWriter.Create(path, VerlFile.Schema()))
        {
            writer.Complete();
        }

        using ParquetReader reader = ParquetReader.Open(path);
        Assert.That(reader.ReadRows(), Is.Empty);
    }

    [Test]
    public void Write_OfARowThatDoesNotFit_NamesItAndLeavesNoTrace()
    {
        string path = _directory.File("a.parquet");
        ParquetSchema schema = new(
            ParquetField.Text("a"), ParquetField.List("b", ParquetField.Leaf("element", ParquetPhysicalType.Int32).Required()));
        using (ParquetWriter writer = ParquetWriter.Create(path, schema))
        {
            writer.Write("one", new object?[] { 1, 2 });
            Assert.That(
                () => writer.Write("two", new object?[] { 3, "x" }),
                Throws.TypeOf<ParquetException>().With.Message.EqualTo(
                    $"{path}: row group 0, column `b.list.element`, row 1: String cannot be stored as None Int32"));
            Assert.That(() => writer.Write("three", new object?[] { null }), Throws.TypeOf<ParquetException>());
            Assert.That(() => writer.Write("bad \ud800", null), Throws.TypeOf<ParquetException>());
            writer.Write(null, Array.Empty<object?>());
            writer.Complete();
        }

        using ParquetReader reader = ParquetReader.Open(path);
        ParquetRow[] rows = [.. reader.ReadRows()];
        Assert.That(rows.Select(r => ParquetJson.Of(r)!.ToJsonString()), Is.EqualTo(["{\"a\":\"one\",\"b\":[1,2]}", "{\"a\":null,\"b\":[]}"]));
    }

    [Test]
    public void Dispose_WithoutComplete_KeepsTheOldFile()
    {
        string path = _directory.Write("a.parquet", "old");
        using (ParquetWriter writer = ParquetWriter.Create(path, new ParquetSchema(ParquetField.Text("a"))))
        {
            writer.Write("new");
        }

        Assert.That(File.ReadAllText(path), Is.EqualTo("old"));
        Assert.That(Directory.GetFiles(_directory.Path), Has.Length.EqualTo(1));
    }

    [Test]
    public void Create_WithOptionsThatMakeNoSense_ListsThem()
    {
        ParquetSchema schema = new(ParquetField.Text("a"));
        Assert.That(
            () => ParquetWriter.Create(Stream.Null, schema, new ParquetWriteOptions { PageVersion = 3, PageRows = 0, Codec = ParquetCodec.Lzo }),
            Throws.TypeOf<UsageException>().With.Message.Contains("3").And.Message.Contains("Lzo").And.Message.Contains("positive"));
        ParquetWriteOptions wrong = new() { Encodings = new Dictionary<string, ParquetEncoding> { ["a"] = ParquetEncoding.DeltaBinaryPacked } };
        Assert.That(() => ParquetWriter.Create(Stream.Null, schema, wrong), Throws.TypeOf<UsageException>().With.Message.Contains("`a`"));
    }

    private static ParquetWriteOptions Existing(ParquetWriteOptions options, ParquetSchema schema) => options with
    {
        Encodings = options.Encodings.Where(pair => schema.Find(pair.Key) is not null).ToDictionary(),
    };

    /// <summary>A schema of the same shape, built with the public methods.</summary>
    private static ParquetSchema CopyOf(ParquetSchema schema) => new([.. schema.Fields.Select(Copy)]);

    private static ParquetField Copy(ParquetField field)
    {
        ParquetField copy = field.IsLeaf
            ? ParquetField.Leaf(field.Name, field.PhysicalType!.Value, field.LogicalType, field.Repetition, field.TypeLength)
            : field.LogicalType.Kind switch
            {
                ParquetLogicalKind.List => ParquetField.List(field.Name, Copy(field.Children[0].Children[0])),
                ParquetLogicalKind.Map => ParquetField.Map(field.Name, Copy(field.Children[0].Children[0]), Copy(field.Children[0].Children[1])),
                _ => ParquetField.Group(field.Name, [.. field.Children.Select(Copy)]),
            };
        return field.Repetition == ParquetRepetition.Required ? copy.Required() : copy;
    }
}
