using Apache.Arrow;
using Apache.Arrow.Types;
using LlasaNative.Data.Parquet;
using LlasaNative.Tests.Support;
using ParquetSharp;
using static LlasaNative.Tests.Data.Parquet.Fields;

namespace LlasaNative.Tests.Data.Parquet;

/// <summary>What the writer writes, the reader gives back; <c>tests/oracle/check_parquet.py</c> asks pyarrow the same.</summary>
public class ParquetWriterTests
{
    private static readonly Field _required = new("required", Int32Type.Default, nullable: false);

    /// <summary>Every type that is written, with nulls at every level.</summary>
    private static readonly Schema _schema = Of(
        Words("text"), Leaf("flag", BooleanType.Default), Leaf("i32", Int32Type.Default), Leaf("i64", Int64Type.Default),
        Leaf("f32", FloatType.Default), Leaf("f64", DoubleType.Default), _required, List("ints", Int64Type.Default),
        List("texts", new ListType(Words("element"))), Group("point", Leaf("x", DoubleType.Default), Group("label", Words("name"), List("tags", StringType.Default))),
        List("people", new StructType([Words("name"), Leaf("age", Int32Type.Default), List("nicks", StringType.Default)])));

    private TemporaryDirectory _directory = null!;

    [SetUp]
    public void SetUp() => _directory = new TemporaryDirectory();

    [TearDown]
    public void TearDown() => _directory.Dispose();

    [Test]
    public void Write_WithAnyOptions_GivesFilesThatReadBackEqual(
        [Values(Compression.Uncompressed, Compression.Snappy, Compression.Gzip, Compression.Brotli, Compression.Zstd, Compression.Lz4)] Compression compression,
        [Values(97, 5000, 100_000)] int rowGroupRows)
    {
        object?[][] rows = Rows(6000);
        string path = _directory.File("copy.parquet");
        ParquetWriteOptions options = new() { Compression = compression, RowGroupRows = rowGroupRows };
        using (ParquetWriter writer = ParquetWriter.Create(path, _schema, options))
        {
            foreach (object?[] row in rows)
            {
                writer.Write(row);
            }

            Assert.That(File.Exists(path), Is.False, "the file appears when it is complete");
            writer.Complete();
        }

        string[] names = [.. _schema.FieldsList.Select(field => field.Name)];
        string[] expected = [.. rows.Select(row => ParquetJson.Of(new ParquetRow(names, row))!.ToJsonString())];
        using ParquetReader reader = ParquetReader.Open(path);
        Assert.That(reader.ReadRows().Select(row => ParquetJson.Of(row)!.ToJsonString()), Is.EqualTo(expected));
        Assert.That(reader.RowGroups, Has.Count.EqualTo((rows.Length + rowGroupRows - 1) / rowGroupRows));
        Assert.That(Directory.GetFiles(_directory.Path), Has.Length.EqualTo(1), "no temporary file stays");
        using (ParquetFileReader file = new(path))
        using (RowGroupReader group = file.RowGroup(0))
        using (ColumnChunkMetaData text = group.MetaData.GetColumnChunkMetaData(0))
        {
            Assert.That(text.Compression, Is.EqualTo(compression));
            Assert.That(text.Encodings, Has.Member(ParquetSharp.Encoding.RleDictionary));
            Assert.That(text.Statistics?.NullCount, Is.EqualTo(rows.Take(rowGroupRows).Count(row => row[0] is null)));
        }

        if (Environment.GetEnvironmentVariable("LLASA_PARQUET_OUT") is { Length: > 0 } folder)
        {
            string name = $"{compression}_{rowGroupRows}";
            File.Copy(path, Path.Combine(folder, name + ".parquet"), overwrite: true);
            File.WriteAllLines(Path.Combine(folder, name + ".jsonl"), expected);
        }
    }

    [Test]
    public void Write_OfTheSameRows_GivesTheSameBytes()
    {
        byte[][] files = [.. new[] { "a", "b" }.Select(name =>
        {
            using ParquetWriter writer = ParquetWriter.Create(_directory.File(name), _schema);
            System.Array.ForEach(Rows(300), writer.Write);
            writer.Complete();
            return File.ReadAllBytes(_directory.File(name));
        })];
        Assert.That(files[1], Is.EqualTo(files[0]));
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
        Schema schema = Of(Words("a"), Leaf("b", new ListType(new Field("element", Int32Type.Default, nullable: false))), Group("c", Words("d")));
        using (ParquetWriter writer = ParquetWriter.Create(path, schema))
        {
            writer.Write("one", new object?[] { 1, 2 }, null);
            Assert.That(
                () => writer.Write("two", new object?[] { 3, "x" }, null),
                Throws.TypeOf<LlasaNative.Data.Parquet.ParquetException>().With.Message.EqualTo(
                    $"{path}: row group 0, column `b.list.element`, row 1: String cannot be stored as int32"));
            foreach (object?[] wrong in (object?[][])[["three", new object?[] { null }, null], ["bad \ud800", null, null], ["four", null, new ParquetRow(["e"], ["x"])]])
            {
                Assert.That(() => writer.Write(wrong), Throws.TypeOf<LlasaNative.Data.Parquet.ParquetException>());
            }

            writer.Write(null, System.Array.Empty<object?>(), new ParquetRow([], []));
            writer.Complete();
        }

        using ParquetReader reader = ParquetReader.Open(path);
        Assert.That(
            reader.ReadRows().Select(r => ParquetJson.Of(r)!.ToJsonString()),
            Is.EqualTo(["{\"a\":\"one\",\"b\":[1,2],\"c\":null}", "{\"a\":null,\"b\":[],\"c\":{\"d\":null}}"]));
    }

    [Test]
    public void Dispose_WithoutComplete_KeepsTheOldFile()
    {
        string path = _directory.Write("a.parquet", "old");
        using (ParquetWriter writer = ParquetWriter.Create(path, Of(Words("a"))))
        {
            writer.Write("new");
        }

        Assert.That(File.ReadAllText(path), Is.EqualTo("old"));
        Assert.That(Directory.GetFiles(_directory.Path), Has.Length.EqualTo(1));
    }

    [Test]
    public void Write_WhenTheDiskIsFull_SaysSoInOneLine()
    {
        // What is written to this device finds it full.
        File.CreateSymbolicLink(_directory.File("a.parquet.tmp"), "/dev/full");
        Assert.That(
            () => ParquetWriter.Create(_directory.File("a.parquet"), Of(Words("a"))),
            Throws.TypeOf<LlasaNative.Data.Parquet.ParquetException>().With.Message.StartsWith($"{_directory.File("a.parquet")}: cannot be written: ")
                .And.Message.Contains("No space left on device").And.Message.Not.Contain("   at "));
        Assert.That(Directory.GetFiles(_directory.Path), Is.Empty);
    }

    [Test]
    public void Create_WithOptionsThatMakeNoSense_ListsThem()
    {
        Assert.That(
            () => ParquetWriter.Create(_directory.File("a"), Of(Words("a")), new ParquetWriteOptions { RowGroupRows = 0, Compression = Compression.Lzo }),
            Throws.TypeOf<UsageException>().With.Message.Contains("Lzo").And.Message.Contains("at least one row"));
        Assert.That(
            () => ParquetWriter.Create(_directory.File("a"), Of(Leaf("day", Date32Type.Default))), Throws.TypeOf<UsageException>().With.Message.Contains("`day`"));
    }

    private static object?[][] Rows(int count)
    {
        Random random = new(7);
        string[] texts = ["", "a", "naïve", "안녕하세요", "👍🏽", "\0nul", new('x', 90)];
        object? Maybe(Func<object> make) => random.Next(5) == 0 ? null : make();
        object Word() => texts[random.Next(texts.Length)];
        object Items(Func<object?> make) => Enumerable.Range(0, random.Next(4)).Select(_ => make()).ToArray();
        object?[] Row() =>
        [
            Maybe(Word), Maybe(() => random.Next(2) == 0), Maybe(() => random.Next(int.MinValue, int.MaxValue)), Maybe(() => random.NextInt64(long.MinValue, long.MaxValue)),
            Maybe(() => random.NextSingle()), Maybe(() => random.NextDouble()), random.Next(100), Maybe(() => Items(() => Maybe(() => random.NextInt64(1000)))),
            Maybe(() => Items(() => Maybe(() => Items(() => Maybe(Word))))),
            Maybe(() => new ParquetRow(["x", "label"], [Maybe(() => random.NextDouble()), Maybe(() => new ParquetRow(["name", "tags"], [Maybe(Word), Maybe(() => Items(() => Maybe(Word)))]))])),
            Maybe(() => Items(() => Maybe(() => new ParquetRow(["name", "age", "nicks"], [Maybe(Word), Maybe(() => random.Next(99)), Maybe(() => Items(() => Maybe(Word)))])))),
        ];
        return [.. Enumerable.Range(0, count).Select(_ => Row())];
    }
}
