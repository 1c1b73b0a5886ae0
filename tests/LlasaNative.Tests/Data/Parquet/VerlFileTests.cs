using Apache.Arrow;
using Apache.Arrow.Types;
using LlasaNative.Data.Parquet;
using LlasaNative.Tests.Support;
using static LlasaNative.Tests.Data.Parquet.Fields;

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
        (Field Field, object? Value, long? Read)[] indexes =
        [
            (Words("index"), "12", 12), (Words("index"), "row-a", null),
            (Leaf("index", DoubleType.Default), 3.0, 3), (Leaf("index", DoubleType.Default), double.NaN, null),
            (Leaf("index", FloatType.Default), 0.5f, null), (Leaf("index", Int32Type.Default), 7, 7),
            (Leaf("index", Int64Type.Default), null, null), (Leaf("index", BooleanType.Default), true, null),
            (List("index", Int64Type.Default), new object?[] { 1L }, null),
            (Group("index", Words("file")), new ParquetRow(["file"], ["a"]), null),
        ];
        (Field Field, object? Value, double? Read)[] durations =
        [
            (Leaf("duration", Int32Type.Default), 3, 3), (Leaf("duration", Int64Type.Default), 4L, 4),
            (Leaf("duration", FloatType.Default), 1.5f, 1.5), (Leaf("duration", DoubleType.Default), double.NaN, null),
            (Leaf("duration", DoubleType.Default), null, null),
        ];
        string path = _directory.File("a.parquet");
        foreach ((Field field, object? value, long? read) in indexes)
        {
            foreach ((Field length, object? seconds, double? known) in durations)
            {
                Schema schema = Of(
                    Leaf("uid", Int64Type.Default), Words("prompt"),
                    Group("reward_model", Leaf("ground_truth", DoubleType.Default)),
                    Group("extra_info", field, Words("text"), Leaf("need_tools", BooleanType.Default)), length);
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
        Field turns = List("prompt", new StructType([Words("role"), Words("content")]));
        using (ParquetWriter writer = ParquetWriter.Create(path, Of(Words("data_source"), turns)))
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
        using (ParquetWriter writer = ParquetWriter.Create(path, Of(Words("text"))))
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
