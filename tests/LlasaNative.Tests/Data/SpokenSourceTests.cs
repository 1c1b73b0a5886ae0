using Apache.Arrow;
using Apache.Arrow.Types;
using LlasaNative.Data;
using LlasaNative.Tests.Support;
using ParquetSharp.Arrow;

namespace LlasaNative.Tests.Data;

public sealed class SpokenSourceTests
{
    private TemporaryDirectory _folder = null!;

    [SetUp]
    public void CreateDirectory() => _folder = new TemporaryDirectory();

    [TearDown]
    public void DeleteDirectory() => _folder.Dispose();

    [Test]
    public void Read_OfADirectoryOfSounds_TakesTheTextBesideEach()
    {
        _folder.Write("b/two.wav", "");
        _folder.Write("b/two.txt", " zwei \n");
        _folder.Write("one.flac", "");
        _folder.Write("notes.txt", "no sound");
        var rows = Read(_folder.Path);
        Assert.That(rows.Select(r => (r.SoundPath, r.Text)), Is.EqualTo(new[] { (_folder.File("b/two.wav"), "zwei"), (_folder.File("one.flac"), "") }));
        Assert.That(rows[0].Fault, Is.Null);
        Assert.That(rows[1].Fault!.Message, Does.StartWith(_folder.File("one.flac")).And.Contains("no one.txt beside it"));
        Assert.That(() => Read(_folder.File("b/two.txt") + "x"), Throws.TypeOf<DataFileException>().With.Message.Contains("no such file"));
    }

    [Test]
    public void MyFolderOfSounds_HasLinksInCirclesAndRemainsOfAnArchive_AndEachSoundIsReadOnce()
    {
        _folder.Write("a/one.wav", "");
        _folder.Write("a/one.txt", "eins");
        _folder.Write("__MACOSX/a/one.wav", "");
        _folder.Write("__MACOSX/notes.csv", "text,audio\n");
        _folder.Write("a/._one.wav", "");
        _folder.Write(".cache/one.wav", "");
        Directory.CreateSymbolicLink(_folder.File("a/above"), _folder.Path);
        Assert.That(Read(_folder.Path).Select(r => (r.SoundPath, r.Text)), Is.EqualTo(new[] { (_folder.File("a/one.wav"), "eins") }));
    }

    [TestCase("a.txt", "x/1.wav|german|eins\n\n2|german|zwei\n", "eins", "zwei")]
    [TestCase("metadata.csv", "x/1.wav|eins, und so weiter|eins\n2|2|zwei\n", "eins", "zwei")]
    [TestCase("a.csv", "text,audio,language\neins,x/1.wav,de\n\"zwei\n\",2,\n", "eins", "zwei")]
    [TestCase("a.csv", "file_name,text\nx/1.wav,eins\n2,zwei\n", "eins", "zwei")]
    [TestCase("a.jsonl", "{\"audio\": \"x/1.wav\", \"text\": \"eins\"}\n{\"audio\": {\"path\": \"2\"}, \"text\": \"zwei\"}\n", "eins", "zwei")]
    [TestCase("a.jsonl", "{\"audio_filepath\": \"x/1.wav\", \"text\": \"eins\"}\n{\"path\": \"2\", \"text\": \"zwei\"}\n", "eins", "zwei")]
    public void Read_OfAManifest_FindsTheSoundsBesideIt(string name, string content, string first, string second)
    {
        _folder.Write("x/1.wav", "");
        _folder.Write("wavs/2.wav", "");
        SpokenSource source = new(_folder.Write(name, content), IsSound);
        SpokenRow[] rows = [.. source.Read()];
        Assert.That(rows.Select(r => r.Fault?.Message), Is.All.Null);
        Assert.That(rows.Select(r => r.Text), Is.EqualTo(new[] { first, second }));
        Assert.That(rows.Select(r => Path.GetFullPath(r.SoundPath!)), Is.EqualTo(new[] { _folder.File("x/1.wav"), _folder.File("wavs/2.wav") }));
        Assert.That((source.Count(), source.Read(1).Single().Text, source.Read(2).Count()), Is.EqualTo((2, second, 0)));
    }

    [TestCase("a.txt", "1.wav|either | or\n2.wav|a\n", 1, "2 fields between `|`, the first has 3")]
    [TestCase("a.txt", "1.wav|a\n2.wav|either | or\n", 1, "3 fields between `|`, the first has 2")]
    [TestCase("a.txt", "no separator\n1.wav|a\n2.wav|either | or\n", 2, "3 fields between `|`, the first has 2")]
    [TestCase("metadata.csv", "1|a|a\n2|a|\n3|no numbers\n4|4|either | or\n", 3, "4 fields between `|`, the first has 3")]
    public void MyTextHoldsTheMarkBetweenFields_AndIsNotCutInHalf(string name, string content, int line, string expected)
    {
        var rows = Read(_folder.Write(name, content));
        Assert.That(rows[line].Fault!.Message, Does.StartWith(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{_folder.File(name)}: line {line + 1}: ")).And.Contains(expected));
    }

    [TestCase("file_name,transcription\n1.wav,a\n", "line 1: there is no column `text` among file_name, transcription")]
    [TestCase("wave,text\n1.wav,a\n", "line 1: there is no sound in `audio`, `file_name`, `audio_filepath`, `path`: the columns are wave, text")]
    public void MyTableCallsItsColumnsOtherwise_AndIAmToldWhichItHas(string content, string expected) =>
        Assert.That(() => Read(_folder.Write("a.csv", content)), Throws.TypeOf<DataFileException>().With.Message.Contains(expected));

    [Test]
    public void MyTextBesideASoundIsLatin1_AndIsRefused_NotReadWithOtherLetters()
    {
        var sound = _folder.Write("one.wav", "");
        _folder.Write("one.txt", [(byte)'m', 0xFC, (byte)'d', (byte)'e']);
        Assert.That(Read(_folder.Path).Single().Fault!.Message, Does.StartWith(sound).And.Contains("one.txt beside it cannot be read: it is not valid UTF-8"));
        Assert.That(() => SpokenSource.TextBeside(sound), Throws.TypeOf<DataFileException>());
        Assert.That(SpokenSource.TextBeside(_folder.Write("two.wav", "")), Is.Null);
    }

    [TestCase("a.jsonl", """{"audio_filepath": "1.wav", "text": "a", "offset": 1.5, "duration": 2}""", 1.5, 2.0)]
    [TestCase("a.jsonl", """{"audio_filepath": "1.wav", "text": "a", "offset": 0}""", 0.0, null)]
    [TestCase("a.jsonl", """{"audio_filepath": "1.wav", "text": "a", "offset": null, "duration": 2}""", null, null)]
    [TestCase("a.csv", "text,path,duration,offset\na,1.wav,2,1.5\n", 1.5, 2.0)]
    [TestCase("a.csv", "text,path,duration\na,1.wav,2\n", null, null)]
    public void AnEntryWithAnOffset_IsAPartOfItsSound(string name, string content, double? start, double? length)
    {
        var row = Read(_folder.Write(name, content)).Single();
        Assert.That((row.Fault, row.Start, row.Length), Is.EqualTo(((LlasaException?)null, start, length)));
    }

    [TestCase("a.jsonl", "{\"audio\": \"a\", \"text\": \"b\", \"offset\": -1}", "`offset` is -1")]
    [TestCase("a.jsonl", "{\"audio\": \"a\", \"text\": \"b\", \"offset\": 1, \"duration\": 0}", "`duration` is 0")]
    [TestCase("a.csv", "text,audio,offset\nb,a,soon\n", "`offset` is soon")]
    [TestCase("a.txt", "no separator", "`path|text`")]
    [TestCase("a.txt", "a.wav|", "the text is empty")]
    [TestCase("a.jsonl", "{\"text\": \"a\"}", "`audio`, `file_name`")]
    [TestCase("a.jsonl", "{\"audio\": \"a\"}", "a text `text`")]
    [TestCase("a.jsonl", "{", "no valid JSON")]
    [TestCase("a.csv", "text,audio\na\n", "1 fields instead of 2")]
    public void Read_OfABrokenEntry_NamesItsPlace(string name, string content, string expected)
    {
        var row = Read(_folder.Write(name, content)).Single();
        Assert.That(row.Fault!.Message, Does.StartWith(_folder.File(name) + ": line ").And.Contains(expected));
    }

    [Test]
    public void Read_OfAHuggingFaceDataSet_TakesBytesOrPaths()
    {
        var path = _folder.File("train.parquet");
        _folder.Write("b.wav", "");
        WriteAudio(path, [("a.wav", [1, 2, 3], "eins"), ("b.wav", null, "zwei"), (null, null, "drei"), (null, [4], null)]);
        foreach (var place in new[] { path, _folder.Path })
        {
            var rows = Read(place);
            Assert.That(rows.Select(r => (r.Name, r.Text)), Is.EqualTo(new[] { ("a.wav", "eins"), ("b.wav", "zwei"), ("train.parquet:2", ""), ("train.parquet:3", "") }));
            Assert.That(rows[0].Sound, Is.EqualTo(new byte[] { 1, 2, 3 }));
            Assert.That((rows[1].Sound, rows[1].SoundPath), Is.EqualTo(((byte[]?)null, _folder.File("b.wav"))));
            Assert.That(rows[2].Fault!.Message, Does.StartWith(path).And.Contains("row 2").And.Contains("holds no sound"));
            Assert.That(rows[3].Fault!.Message, Does.Contain("the text is empty"));
        }

        SpokenSource source = new(path, IsSound);
        Assert.That((source.Count(), source.Read(1).First().Name, source.Read(3).Count()), Is.EqualTo((4, "b.wav", 1)));
        Assert.That(() => new SpokenSource(path, IsSound, soundColumn: "wave").Read().ToArray(), Throws.InstanceOf<LlasaException>().With.Message.Contains("`wave`"));
    }

    [Test]
    public void MyParquetManifestCutsOneLongSound_AndEachRowIsItsPart()
    {
        var path = _folder.File("train.parquet");
        StringArray sounds = new StringArray.Builder().AppendRange(Enumerable.Repeat("long.wav", 5)).Build();
        StringArray texts = new StringArray.Builder().AppendRange(["a", "b", "c", "d", "e"]).Build();
        DoubleArray offsets = new DoubleArray.Builder().AppendRange([1.5, 0, double.NaN]).AppendNull().Append(-1).Build();
        Int64Array durations = new Int64Array.Builder().AppendRange([2, 1, 3, 4, 5]).Build();
        Schema schema = new(
            [new("audio_filepath", StringType.Default, true), new("text", StringType.Default, true), new("offset", DoubleType.Default, true), new("duration", Int64Type.Default, true)], null);
        using (FileWriter file = new(path, schema))
        {
            file.WriteRecordBatch(new RecordBatch(schema, [sounds, texts, offsets, durations], 5));
            file.Close();
        }

        var rows = Read(path);
        Assert.That(rows.Select(r => (r.Start, r.Length)), Is.EqualTo(new (double?, double?)[] { (1.5, 2), (0, 1), (null, null), (null, null), (null, null) }));
        Assert.That(rows[4].Fault!.Message, Does.StartWith(path).And.Contains("`offset` is -1"));
        Assert.That(rows[..4].Select(r => r.Fault), Is.All.Null);
    }

    private static bool IsSound(string path) => Path.GetExtension(path) is ".wav" or ".flac";

    private static SpokenRow[] Read(string path) => [.. new SpokenSource(path, IsSound).Read()];

    // As Hugging Face's `datasets` writes a column of its type Audio.
    private static void WriteAudio(string path, (string? Path, byte[]? Bytes, string? Text)[] rows)
    {
        BinaryArray.Builder bytes = new();
        StringArray.Builder paths = new();
        StringArray.Builder texts = new();
        foreach (var row in rows)
        {
            _ = row.Bytes is null ? bytes.AppendNull() : bytes.Append((ReadOnlySpan<byte>)row.Bytes);
            _ = row.Path is null ? paths.AppendNull() : paths.Append(row.Path);
            _ = row.Text is null ? texts.AppendNull() : texts.Append(row.Text);
        }

        StructType audio = new([new Field("bytes", BinaryType.Default, true), new Field("path", StringType.Default, true)]);
        StructArray column = new(audio, rows.Length, [bytes.Build(), paths.Build()], ArrowBuffer.Empty, 0);
        Schema schema = new([new Field("audio", audio, true), new Field("text", StringType.Default, true)], null);
        using FileWriter file = new(path, schema);
        file.WriteRecordBatch(new RecordBatch(schema, [column, texts.Build()], rows.Length));
        file.Close();
    }
}
