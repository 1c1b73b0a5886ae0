using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using LlasaNative.Data;
using LlasaNative.Models;
using LlasaNative.Tests.Support;
using LlasaNative.Text;

namespace LlasaNative.Tests.Data;

/// <summary>Data in LLaSA_training's layout, as NumPy wrote them (<c>tests/oracle/gen_token_matrix.py</c>).</summary>
public sealed class TokenMatrixTests
{
    private const int Columns = 96;

    private TemporaryDirectory _directory = null!;
    private LlasaPrompt _prompt = null!;

    private static string Case => Path.Combine(OracleData.RepositoryRoot, "tests", "fixtures", "token_matrix", "tiny");

    [SetUp]
    public void CopyTheData()
    {
        _directory = new TemporaryDirectory();
        _prompt = LlasaPrompt.Create(ByteLevelBpe.FromDirectory(Path.Combine(OracleData.RepositoryRoot, "assets", "tiny", "policy")));
        foreach (string file in Directory.GetFiles(Path.Combine(Case, "data")))
        {
            File.Copy(file, _directory.File(Path.GetFileName(file)));
        }
    }

    [TearDown]
    public void TearDown() => _directory.Dispose();

    [TestCase(DataSplit.Train, "train")]
    [TestCase(DataSplit.Validation, "val")]
    public void Read_OfADirectory_GivesTheUtterancesOfTheSplit(DataSplit split, string name)
    {
        DataFiles files = DataFiles.Find(_directory.Path, split);
        JsonArray expected = JsonNode.Parse(File.ReadAllText(Path.Combine(Case, "case.json")))!["utterances"]![name]!.AsArray();
        Utterance[] read = [.. Read(files)];
        Assert.Multiple(() =>
        {
            Assert.That(files.Describe(), Does.Contain($"1 file: {name}_input_ids.memmap").And.Not.Contains(".npy"));
            Assert.That(read.Select(u => u.Text), Is.EqualTo(expected.Select(u => (string)u!["text"]!)));
            Assert.That(read.Select(u => u.Codes), Is.EqualTo(expected.Select(u => u!["codes"]!.AsArray().Select(c => (int)c!).ToArray())));
        });
    }

    [Test]
    public void Read_WithoutATokenizer_IsRefused() => Assert.That(
        () => PromptSet.Read(DataFiles.Find(_directory.Path, DataSplit.Train)), Throws.TypeOf<DataFileException>().With.Message.Contains("train_input_ids.memmap: line 1: it holds token ids, which only `llasa sft` reads"));

    [Test]
    public void Read_OfAFileOfAnotherLength_SaysBoth()
    {
        string path = _directory.File("train_input_ids.memmap");
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..^4]);
        Assert.That(() => Read().ToList(), Throws.TypeOf<DataFileException>().With.Message.EqualTo(
            $"{path}: has 1916 bytes, expected 1920 for 5 rows of 96 int32, as the shape beside it says"));
    }

    [Test]
    public void Read_WithoutAShape_SaysWhatIsMissing()
    {
        string shape = _directory.File("train_input_ids_shape.npy");
        File.Delete(shape);
        Assert.That(() => Read().ToList(), Throws.TypeOf<DataFileException>().With.Message.EqualTo($"{shape}: there is no such file"));
    }

    [TestCase(0, 1, "is not one of NumPy's")]
    [TestCase(8, 0xFF, "is cut off")]
    [TestCase(22, (int)'f', "says {'descr': '<f8'")]
    [TestCase(61, (int)'3', "'shape': (3,)")]
    [TestCase(135, 0x80, "says -9223372036854775803 rows of 96")]
    [TestCase(136, 0, "says 5 rows of 0")]
    public void Read_WithAnotherShape_SaysWhatItIs(int at, int value, string expected)
    {
        string shape = _directory.File("train_input_ids_shape.npy");
        byte[] bytes = File.ReadAllBytes(shape);
        bytes[at] = (byte)value;
        File.WriteAllBytes(shape, bytes);
        Assert.That(() => Read().ToList(), Throws.TypeOf<DataFileException>().With.Message.StartsWith(shape).And.Message.Contains(expected));
    }

    [Test]
    public void Read_WithACutShape_SaysSo()
    {
        string shape = _directory.File("train_input_ids_shape.npy");
        File.WriteAllBytes(shape, File.ReadAllBytes(shape)[..^1]);
        Assert.That(() => Read().ToList(), Throws.TypeOf<DataFileException>().With.Message.Contains("has 15 bytes of values instead of 16"));
    }

    [Test]
    public void Read_OfARowThatIsNone_NamesRowAndToken()
    {
        int[] row = Row(2);
        int end = Array.IndexOf(row, _prompt.Speech.End), textEnd = Array.IndexOf(row, Id("<|TEXT_UNDERSTANDING_END|>"));
        int vocabulary = _prompt.Tokenizer.VocabularySize;
        Assert.Multiple(() =>
        {
            Refused(row, 3, vocabulary, $"token 4: {vocabulary} is no token of this policy, which has {vocabulary}");
            Refused(row, 3, -1, "token 4: -1 is no token of this policy");
            Refused(row, 0, row[1], "token 1: expected <|TEXT_UNDERSTANDING_START|>, found a");
            Refused(row, textEnd, row[1], "has no <|TEXT_UNDERSTANDING_END|>");
            Refused(row, textEnd + 1, row[1], $"token {textEnd + 2}: expected <|SPEECH_GENERATION_START|>, found a");
            Refused(row, end - 1, row[1], $"token {end}: a is no speech token");
            Refused(row, end, _prompt.Speech.Offset, $"token {end + 2}: <|eot_id|> is no speech token");
            Refused(row, end + 4, row[1], $"token {end + 5}: a follows the speech, expected <|eot_id|>");
        });
        Refused([.. row.AsSpan(0, end), .. Enumerable.Repeat(_prompt.Speech.Offset, Columns - end)], 0, row[0], "was cut off: 96 tokens without <|SPEECH_GENERATION_END|>");
    }

    [Test]
    public void Read_OfATextThatThisTokenizerWouldCutOtherwise_IsRefused()
    {
        // An added token inside a text is what no text gives.
        int[] row = Row(0);
        Refused(row, 2, Id("<|eot_id|>"), "would have other tokens by this policy's tokenizer: the row is of another one");
    }

    [Test]
    public void Read_LeavesFaultyRowsOut_WhereThatIsAsked()
    {
        Write(1, Row(1).Select(_ => 0).ToArray());
        List<string> faults = [];
        Utterance[] read = [.. PromptFile.ReadUtterances(
            DataFiles.Find(_directory.File("train_input_ids.memmap")), 1024, u => u, faults: RowFaults.Skip, onSkipped: e => faults.Add(e.Message), decode: ids => TokenRow.Read(_prompt, ids))];
        Assert.That(read, Has.Length.EqualTo(4));
        Assert.That(faults, Has.Count.EqualTo(1).And.All.Contains("train_input_ids.memmap: line 2: token 1: expected"));
    }

    private int Id(string token) => _prompt.Tokenizer.TryGetId(token, out int id) ? id : throw new ArgumentException(token);

    private IEnumerable<Utterance> Read() => Read(DataFiles.Find(_directory.File("train_input_ids.memmap")));

    private IEnumerable<Utterance> Read(DataFiles files) => PromptFile.ReadUtterances(files, 1024, u => u, decode: ids => TokenRow.Read(_prompt, ids));

    private static int[] Row(int index) => MemoryMarshal.Cast<byte, int>(File.ReadAllBytes(Path.Combine(Case, "data", "train_input_ids.memmap"))).Slice(index * Columns, Columns).ToArray();

    private void Write(int index, int[] row)
    {
        string path = _directory.File("train_input_ids.memmap");
        byte[] bytes = File.ReadAllBytes(Path.Combine(Case, "data", "train_input_ids.memmap"));
        MemoryMarshal.AsBytes<int>(row).CopyTo(bytes.AsSpan(index * Columns * sizeof(int)));
        File.WriteAllBytes(path, bytes);
    }

    private void Refused(int[] row, int at, int id, string expected)
    {
        int[] changed = [.. row];
        changed[at] = id;
        Write(2, changed);
        Assert.That(() => Read().ToList(), Throws.TypeOf<DataFileException>().With.Message.Contains("line 3: ").And.Message.Contains(expected));
    }
}
