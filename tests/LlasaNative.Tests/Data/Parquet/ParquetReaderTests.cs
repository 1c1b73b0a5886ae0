using System.IO.Compression;
using System.Text;
using LlasaNative.Data.Parquet;
using LlasaNative.Tests.Support;

namespace LlasaNative.Tests.Data.Parquet;

public class ParquetReaderTests
{
    private static readonly ParquetRow _person = new(["name", "age"], ["Ada", 36]);

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
            Assert.That(reader.ReadRowGroup(0).Count(), Is.EqualTo(60));
            Assert.That(() => reader.ReadRowGroup(1), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => reader.ReadColumn<int>(0, reader.Schema.Columns[0]), Throws.ArgumentException);
        });
    }

    [Test]
    public void Read_OfAFlippedBit_IsFoundByTheChecksum()
    {
        byte[] file = Write(new ParquetSchema(ParquetField.Text("a")), [["some text that is stored as it is"]], ParquetCodec.None);
        int at = file.AsSpan().IndexOf("stored"u8);
        file[at] ^= 1;
        using ParquetReader reader = ParquetReader.Open(file, "f");
        Assert.That(
            () => reader.ReadRows().Count(),
            Throws.TypeOf<ParquetException>().With.Message.StartsWith("f: row group 0, column `a`, row 0: a page's checksum is"));
        using ParquetReader trusting = ParquetReader.Open(file, "f", new ParquetReadOptions { VerifyChecksums = false });
        Assert.That(trusting.ReadRows().Count(), Is.EqualTo(1));
    }

    [Test]
    public void Crc32_OfTheCheckString_IsTheStandardValue()
    {
        Assert.That(Crc32.Compute("123456789"u8), Is.EqualTo(0xCBF43926));
        Assert.That(Crc32.Append(Crc32.Compute("1234"u8), "56789"u8), Is.EqualTo(0xCBF43926));
    }

    [Test]
    public void Expand_OfSeveralGzipMembers_GivesAllOfThem()
    {
        byte[] members = [.. Gzip("first "), .. Gzip("second")];
        Assert.That(Encoding.ASCII.GetString(PageCompression.Expand(ParquetCodec.Gzip, members, 12)), Is.EqualTo("first second"));
        Assert.That(() => PageCompression.Expand(ParquetCodec.Gzip, members, 11), Throws.TypeOf<ParquetException>());
        Assert.That(() => PageCompression.Expand(ParquetCodec.Gzip, members, 13), Throws.TypeOf<ParquetException>());
    }

    [Test]
    public void Expand_OfHadoopFrames_GivesTheirBlocks()
    {
        byte[] block = PageCompression.Compress(ParquetCodec.Lz4Raw, "hello hello hello"u8);
        byte[] frame = [0, 0, 0, 17, 0, 0, 0, (byte)block.Length, .. block];
        Assert.Multiple(() =>
        {
            Assert.That(PageCompression.Expand(ParquetCodec.Lz4Hadoop, (byte[])[.. frame, .. frame], 34), Has.Length.EqualTo(34));
            Assert.That(PageCompression.Expand(ParquetCodec.Lz4Hadoop, block, 17), Is.EqualTo("hello hello hello"u8.ToArray()));
            Assert.That(PageCompression.Expand(ParquetCodec.Lz4Raw, block, 17), Is.EqualTo("hello hello hello"u8.ToArray()));
        });
    }

    [TestCase(ParquetCodec.Snappy)]
    [TestCase(ParquetCodec.Gzip)]
    [TestCase(ParquetCodec.Brotli)]
    [TestCase(ParquetCodec.Zstd)]
    [TestCase(ParquetCodec.Lz4Raw)]
    public void Expand_OfASizeThatLies_IsRefusedWithoutMuchMemory(ParquetCodec codec)
    {
        byte[] packed = PageCompression.Compress(codec, "a few bytes"u8);
        long before = GC.GetAllocatedBytesForCurrentThread();
        foreach (int size in (int[])[int.MaxValue, 1 << 30, 12, 10, 1])
        {
            Assert.That(() => PageCompression.Expand(codec, packed, size), Throws.TypeOf<ParquetException>(), $"{size}");
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(16L << 20));
    }

    [Test]
    public void ReadRows_OfOldListLayouts_GivesTheSameLists()
    {
        // The layouts of the format's compatibility rules: two levels with a leaf, with a struct, named array, named like a tuple.
        ParquetField[] fields =
        [
            OldList("leaf", new ParquetField("element", ParquetRepetition.Repeated) { PhysicalType = ParquetPhysicalType.Int32 }),
            OldList("struct", new ParquetField("element", ParquetRepetition.Repeated) { Children = Person() }),
            OldList("avro", new ParquetField("array", ParquetRepetition.Repeated) { Children = Name() }),
            OldList("thrift", new ParquetField("thrift_tuple", ParquetRepetition.Repeated) { Children = Name() }),
            OldList("three", new ParquetField("bag", ParquetRepetition.Repeated) { Children = Name() }),
            ParquetField.Group("bare", ParquetField.Leaf("numbers", ParquetPhysicalType.Int32, null, ParquetRepetition.Repeated)),
        ];
        ParquetRow name = new(["name"], ["Ada"]);
        object?[] values =
        [
            new object?[] { 1, 2 }, new object?[] { _person, _person }, new object?[] { name }, new object?[] { name, name },
            new object?[] { "x", null }, new ParquetRow(["numbers"], [new object?[] { 7 }]),
        ];
        byte[] file = Write(new ParquetSchema(fields), [values, [null, null, null, null, null, null]], ParquetCodec.Snappy);
        using ParquetReader reader = ParquetReader.Open(file);
        Assert.That(reader.ReadRows().Select(row => ParquetJson.Of(row)!.ToJsonString()), Is.EqualTo(
        [
            "{\"leaf\":[1,2],\"struct\":[{\"name\":\"Ada\",\"age\":36},{\"name\":\"Ada\",\"age\":36}],\"avro\":[{\"name\":\"Ada\"}],"
            + "\"thrift\":[{\"name\":\"Ada\"},{\"name\":\"Ada\"}],\"three\":[\"x\",null],\"bare\":{\"numbers\":[7]}}",
            "{\"leaf\":null,\"struct\":null,\"avro\":null,\"thrift\":null,\"three\":null,\"bare\":null}",
        ]));

        static ParquetField OldList(string name, ParquetField repeated) => new(name, ParquetRepetition.Optional)
        {
            LogicalType = new ParquetLogicalType(ParquetLogicalKind.List),
            Children = [repeated],
        };
        static ParquetField[] Name() => [ParquetField.Text("name")];
        static ParquetField[] Person() => [ParquetField.Text("name"), ParquetField.Leaf("age", ParquetPhysicalType.Int32)];
    }

    private static byte[] Write(ParquetSchema schema, object?[][] rows, ParquetCodec codec)
    {
        using MemoryStream stream = new();
        using ParquetWriter writer = ParquetWriter.Create(stream, schema, new ParquetWriteOptions { Codec = codec, UseDictionary = false });
        foreach (object?[] row in rows)
        {
            writer.Write(row);
        }

        writer.Complete();
        return stream.ToArray();
    }

    private static byte[] Gzip(string text)
    {
        using MemoryStream stream = new();
        using (GZipStream gzip = new(stream, CompressionLevel.Optimal))
        {
            gzip.Write(Encoding.ASCII.GetBytes(text));
        }

        return stream.ToArray();
    }
}
