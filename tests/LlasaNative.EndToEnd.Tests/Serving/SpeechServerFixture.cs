using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlasaNative.Audio;
using LlasaNative.Data;
using LlasaNative.Models;
using LlasaNative.Trainer;
using LlasaNative.Trainer.Serving.Speech;
using LlasaNative.Training;

namespace LlasaNative.EndToEnd.Tests.Serving;

/// <summary>Tests of the speech server: a real Kestrel on a free loopback port, the tiny models behind it.</summary>
public abstract class SpeechServerFixture : TinyWorldTests
{
    private protected static readonly SpeechOptions Free = new() { Port = 0, DrainTimeout = TimeSpan.FromSeconds(10), MaxNewTokens = 160 };

    private protected static async Task<SpeechServer> StartAsync(SpeechOptions? options = null) =>
        await SpeechServer.StartAsync(TinyWorld.Fill(new ModelOptions()), null, new ScoringOptions(), options ?? Free);

    private protected static HttpClient Client(SpeechServer server, string? token = null)
    {
        HttpClient client = new(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = server.Url, Timeout = TimeSpan.FromSeconds(120) };
        client.DefaultRequestHeaders.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        return client;
    }

    private protected static Task<HttpResponseMessage> PostAsync(HttpClient client, string json, string path = "v1/audio/speech", CancellationToken cancellation = default) =>
        client.PostAsync(new Uri(path, UriKind.Relative), new StringContent(json, Encoding.UTF8, "application/json"), cancellation);

    /// <summary>A body that asks for a text; more fields are given as JSON.</summary>
    private protected static string Ask(string text, int seed = 1, string more = "") =>
        $"{{\"model\": \"policy\", \"input\": {JsonSerializer.Serialize(text)}, \"voice\": \"default\", \"response_format\": \"wav\", \"seed\": {seed}{(more.Length > 0 ? ", " + more : "")}}}";

    /// <summary>The sound that is answered.</summary>
    private protected static async Task<byte[]> SoundAsync(HttpClient client, string json, CancellationToken cancellation = default)
    {
        using var response = await PostAsync(client, json, cancellation: cancellation);
        Assert.That((int)response.StatusCode, Is.EqualTo(200), response.IsSuccessStatusCode ? "" : await response.Content.ReadAsStringAsync(cancellation));
        return await response.Content.ReadAsByteArrayAsync(cancellation);
    }

    /// <summary>Status and error of an answer; fails when it is not OpenAI's error.</summary>
    private protected static async Task<(int Status, string Type, string? Parameter, string? Code, string Message)> ErrorAsync(HttpResponseMessage response)
    {
        using (response)
        {
            var body = await response.Content.ReadAsStringAsync();
            Assert.That(response.Content.Headers.ContentType?.MediaType, Is.EqualTo("application/json"), body);
            var error = JsonNode.Parse(body)!["error"]!;
            return ((int)response.StatusCode, (string)error["type"]!, (string?)error["param"], (string?)error["code"], (string)error["message"]!);
        }
    }

    /// <summary>What the models in this process say: the same text, seed and voice, alone.</summary>
    private protected static (int[] Codes, float[] Sound) Locally(string text, int seed, Utterance? voice = null)
    {
        using var policy = PolicyModel.Load(TinyWorld.Policy, frozen: true);
        using var codec = SpeechCodec.Load(TinyWorld.Codec);
        SamplingSettings sampling = new() { Temperature = 0.8, TopP = 0.9, MaxNewTokens = 160 };
        var drawn = policy.Sample(new SampleRequest([policy.EncodePrompt(text, 50, 0, voice)], 1, sampling, [SpeechJob.Key(seed, 0)]) { Slots = 1 }, CancellationToken.None);
        var codes = policy.ReadCodes(drawn[0].Tokens.Span);
        using var sound = codec.Decode([[.. voice?.Codes ?? [], .. codes]]);
        return (codes, sound[0][((voice?.Codes.Count ?? 0) * codec.SamplesPerCode)..].ToArray());
    }

    /// <summary>A voice: a sound that the tiny policy speaks, with its text beside it.</summary>
    private protected string MakeVoice(string name, string text)
    {
        var path = Path.Combine(Folder, name + ".wav");
        LlasaRunner.RunWell("speak", text, "--greedy", "--out", path);
        File.WriteAllText(Path.ChangeExtension(path, ".txt"), text);
        return path;
    }

    /// <summary>Waits until something holds; fails when it does not within a minute.</summary>
    private protected static async Task UntilAsync(Func<bool> holds)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(1));
        while (!holds())
        {
            Assert.That(limit.IsCancellationRequested, Is.False, "what was waited for did not happen within a minute");
            await Task.Delay(2, CancellationToken.None);
        }
    }

    /// <summary>Samples of a WAV file of 16 bits.</summary>
    private protected static float[] Samples(byte[] wave) => WaveFile.Parse(wave, "answer").Samples.ToArray();
}
