using System.Text;
using System.Text.Json;
using LlasaNative.Data;
using LlasaNative.Recognition.Remote;
using LlasaNative.Recognition.Wire;
using LlasaNative.Tests.Support;
using LlasaNative.Tests.Support.Servers;
using LlasaNative.Text;
using LlasaNative.Weights;

namespace LlasaNative.Tests.Text;

/// <summary>Files that Python's <c>json.dump</c> wrote with numbers that are none.</summary>
public sealed class PythonJsonTests
{
    [TestCase("{\"a\": NaN, \"b\": 1}", "{\"a\": [\"NaN\"], \"b\": 1}")]
    [TestCase("[Infinity,-Infinity , NaN]", "[[\"Infinity\"],[\"-Infinity\"] , [\"NaN\"]]")]
    [TestCase("{\"NaN\": \"a \\\" NaN\", \"b\\\\\": NaN}", "{\"NaN\": \"a \\\" NaN\", \"b\\\\\": [\"NaN\"]}")]
    [TestCase("NaN", "[\"NaN\"]")]
    public void Parse_OfNumbersThatAreNone_GivesTheirNames(string json, string expected)
    {
        using JsonDocument document = PythonJson.Parse(Encoding.UTF8.GetBytes(json));
        Assert.That(document.RootElement.GetRawText(), Is.EqualTo(expected));
    }

    [TestCase("{\"a\": NaNs}")]
    [TestCase("{\"a\": Infinity2}")]
    [TestCase("{\"a\": NaN")]
    [TestCase("{\"a\": nan}")]
    [TestCase("{\"a\": \"NaN")]
    [TestCase("{\"a\": \"\\")]
    [TestCase("")]
    public void Parse_OfWhatPythonDoesNotWriteEither_IsRefused(string json) =>
        Assert.That(() => PythonJson.Parse(Encoding.UTF8.GetBytes(json)), Throws.InstanceOf<JsonException>());

    [Test]
    public void ANaNThatNobodyReads_InALineOfData_IsPassedOver()
    {
        using TemporaryDirectory directory = new();
        string path = directory.Write("a.jsonl", "{\"text\": \"one\", \"snr\": NaN, \"more\": {\"x\": [-Infinity]}}\n{\"text\": \"NaN, two\", \"duration\": NaN}\n");
        Assert.That(PromptFile.Read(path), Is.EqualTo(["one", "NaN, two"]));
        string broken = directory.Write("b.jsonl", "{\"text\": NaN}\n");
        Assert.That(() => PromptFile.Read(broken), Throws.TypeOf<DataFileException>().With.Message.Contains("expected a text `text`, found NaN"));
        string codes = directory.Write("c.jsonl", "{\"text\": \"one\", \"codes\": [NaN]}\n");
        Assert.That(() => PromptFile.ReadUtterances(DataFiles.Find(codes), 6), Throws.TypeOf<DataFileException>().With.Message.Contains("code [\"NaN\"] is not a whole number"));
    }

    [Test]
    public async Task ANaNThatNobodyReads_InAnAnswerOfARewardServer_IsPassedOver_AndOneThatIsReadIsRefused()
    {
        string answer = """{"nll": 0.5, "transcript": "a NaN", "snr": NaN, "more": [-Infinity]}""";
        using LoopbackServer server = new(context =>
        {
            context.Response.ContentType = "application/json";
            return context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(answer)).AsTask();
        });
        using HttpClient http = new();
        ServerEndpoint endpoint = new(new Uri(server.Address), http, TimeSpan.FromSeconds(30));
        Task<ScoreResponse> Ask() => endpoint.PostAsync("score", new Problem(), WireJson.Default.Problem, WireJson.Default.ScoreResponse, default);
        ScoreResponse response = await Ask();
        Assert.That((response.Nll, response.Transcript), Is.EqualTo(((double?)0.5, "a NaN")));
        answer = """{"nll": NaN, "transcript": ""}""";
        Assert.That(() => Ask(), Throws.TypeOf<ServerException>().With.Message.Contains("not the JSON expected").And.Message.Contains("nll"));
    }

    [TestCase("{\"nll\": NaN}", "`nll`: expected a number, found NaN")]
    [TestCase("{\"nll\": \"0.5\"}", "`nll`: expected a number, found \"0.5\"")]
    [TestCase("{\"transcript\": [\"a\"]}", "`transcript`: expected a text, in valid Unicode, found [\"a\"]")]
    [TestCase("[0.5]", "expected an object, found [0.5]")]
    public void MyRewardServerAnswersWithAnotherType_AndTheFieldIsNamed(string answer, string expected) =>
        Assert.That(() => PythonJson.Deserialize(Encoding.UTF8.GetBytes(answer), WireJson.Default.ScoreResponse),
            Throws.TypeOf<System.Text.Json.JsonException>().With.Message.EqualTo(expected));

    [Test]
    public void MyRewardServersListHoldsAnotherType_AndItsPlaceIsNamed() =>
        Assert.That(() => PythonJson.Deserialize("{\"tokens\": [1, 2.5], \"text\": \"a\"}"u8.ToArray(), WireJson.Default.ScoreRequest),
            Throws.TypeOf<System.Text.Json.JsonException>().With.Message.StartsWith("`tokens[1]`: expected a whole number").And.Message.EndsWith("found 2.5"));

    [Test]
    public void ATextThatCannotBeShown_IsRefusedWithoutANameOfThisProgram()
    {
        byte[] noUnicode = [.. "{\"tokens\": [], \"text\": \"a"u8, 0xFF, .. "\"}"u8];
        byte[] deep = Encoding.UTF8.GetBytes($"{{\"tokens\": [], \"text\": {new string('[', 100)}{new string(']', 100)}}}");
        foreach (byte[] request in new[] { noUnicode, deep })
        {
            Assert.That(() => PythonJson.Deserialize(request, WireJson.Default.ScoreRequest),
                Throws.TypeOf<System.Text.Json.JsonException>().With.Message.EqualTo("$.text: a value of another type, or no valid Unicode"));
        }
    }

    [Test]
    public void ANaNThatNobodyReads_InAConfiguration_IsPassedOver_AndOneThatIsReadIsRefused()
    {
        using TemporaryDirectory directory = new();
        string path = directory.Write("config.json", "\uFEFF{\"hidden_size\": 8, \"best_metric\": Infinity, \"rms_norm_eps\": NaN}");
        JsonFields fields = JsonFields.FromFile(path);
        Assert.That(fields.Int("hidden_size", 1, 100), Is.EqualTo(8));
        Assert.That(() => fields.PositiveOr("rms_norm_eps", 1e-5), Throws.TypeOf<ModelFileException>().With.Message.Contains("NaN"));
    }
}
