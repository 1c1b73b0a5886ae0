using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using LlasaNative.Data;
using LlasaNative.Recognition.Wire;
using LlasaNative.Models;
using LlasaNative.Trainer;
using LlasaNative.Trainer.Serving;
using LlasaNative.Training;

namespace LlasaNative.EndToEnd.Tests.Serving;

/// <summary>Tests of the reward server: a real Kestrel on a free loopback port, the tiny models behind it.</summary>
public abstract class RewardServerFixture : TinyWorldTests
{
    private protected static readonly ServerOptions Free = new() { Port = 0, DrainTimeout = TimeSpan.FromSeconds(10) };

    private protected static ModelOptions Models => TinyWorld.Fill(new ModelOptions());

    private protected static async Task<RewardServer> StartAsync(ServerOptions? options = null, ScoringOptions? scoring = null) =>
        await RewardServer.StartAsync(Models, scoring ?? new ScoringOptions(), options ?? Free);

    private protected static HttpClient Client(RewardServer server, string? token = null)
    {
        HttpClient client = new() { BaseAddress = server.Url, Timeout = TimeSpan.FromSeconds(120) };
        client.DefaultRequestHeaders.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        return client;
    }

    /// <summary>Codes that are not speech but decode to sound, the same for the same seed.</summary>
    private protected static ScoreRequest Sample(int seed, int codes = 40, string text = "a big dog") =>
        new([.. Enumerable.Range(0, codes).Select(i => Philox.Below((ulong)seed, 0, (ulong)i, 1024))], text);

    private protected static string Json(ScoreRequest sample) => JsonSerializer.Serialize(sample, WireJson.Default.ScoreRequest);

    /// <summary>Waits until something holds; fails when it does not within a minute.</summary>
    private protected static async Task UntilAsync(Func<Task<bool>> holds)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(1));
        while (!await holds())
        {
            Assert.That(limit.IsCancellationRequested, Is.False, "what was waited for did not happen within a minute");
            await Task.Delay(2, CancellationToken.None);
        }
    }

    private protected static Task<HttpResponseMessage> PostAsync(HttpClient client, string path, string json) =>
        client.PostAsync(new Uri(path, UriKind.Relative), new StringContent(json, Encoding.UTF8, "application/json"));

    private protected static async Task<ScoreResponse> ScoreAsync(HttpClient client, ScoreRequest sample, CancellationToken cancellation = default)
    {
        using var response = await client.PostAsJsonAsync("score", sample, WireJson.Default.ScoreRequest, cancellation);
        Assert.That((int)response.StatusCode, Is.EqualTo(200), await response.Content.ReadAsStringAsync(cancellation));
        return (await response.Content.ReadFromJsonAsync(WireJson.Default.ScoreResponse, cancellation))!;
    }

    private protected static async Task<BatchResponse> ScoreBatchAsync(HttpClient client, BatchRequest batch)
    {
        using var response = await client.PostAsJsonAsync("score_batch", batch, WireJson.Default.BatchRequest);
        Assert.That((int)response.StatusCode, Is.EqualTo(200), await response.Content.ReadAsStringAsync());
        return (await response.Content.ReadFromJsonAsync(WireJson.Default.BatchResponse))!;
    }

    private protected static async Task<HealthReport> HealthAsync(HttpClient client) =>
        JsonSerializer.Deserialize(await client.GetByteArrayAsync(new Uri("healthz", UriKind.Relative)), WireJson.Default.HealthReport)!;

    /// <summary>The status and kind of problem of an answer; fails when it is not an RFC 9457 problem of its own status.</summary>
    private protected static async Task<(int Status, string Kind, string Detail)> ProblemAsync(HttpResponseMessage response)
    {
        using (response)
        {
            var body = await response.Content.ReadAsStringAsync();
            Assert.That(response.Content.Headers.ContentType?.MediaType, Is.EqualTo("application/problem+json"), body);
            var problem = JsonSerializer.Deserialize(body, WireJson.Default.Problem)!;
            Assert.That(problem.Status, Is.EqualTo((int)response.StatusCode));
            Assert.That(problem.Type, Does.StartWith("urn:llasa:problem:"));
            Assert.That(problem.Title, Is.Not.Empty);
            return (problem.Status, problem.Type["urn:llasa:problem:".Length..], problem.Detail!);
        }
    }
}
