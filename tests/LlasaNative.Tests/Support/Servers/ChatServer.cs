using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace LlasaNative.Tests.Support.Servers;

/// <summary>An OpenAI-compatible chat endpoint that takes two sounds, and answers as it is told to.</summary>
internal sealed class ChatServer : IDisposable
{
    private readonly LoopbackServer _server;
    private int _atOnce;

    /// <param name="answer">From the number of a request, from 1, and its body: what is said; null = <paramref name="misbehave"/> answers.</param>
    /// <param name="misbehave">Answers in place of the chat.</param>
    public ChatServer(Func<int, JsonNode, string?> answer, Func<HttpContext, int, Task>? misbehave = null) => _server = new LoopbackServer(async context =>
    {
        var now = Interlocked.Increment(ref _atOnce);
        try
        {
            JsonNode body = (await JsonNode.ParseAsync(context.Request.Body))!;
            int number;
            lock (Bodies)
            {
                (Most, number) = (Math.Max(Most, now), Bodies.Count + 1);
                Bodies.Add(body);
                Keys.Add(context.Request.Headers.Authorization.ToString());
            }

            if (answer(number, body) is { } said)
            {
                context.Response.ContentType = "application/json";
                await context.Response.WriteAsync(JsonSerializer.Serialize(new { id = "chat-1", choices = new[] { new { index = 0, finish_reason = "stop", message = new { role = "assistant", content = said } } }, usage = new { total_tokens = 7 } }));
                return;
            }

            await misbehave!(context, number);
        }
        finally
        {
            Interlocked.Decrement(ref _atOnce);
        }
    });

    /// <summary>What <c>judge.url</c> is to be.</summary>
    public string Url => _server.Address + "/v1";

    /// <summary>Method and path of every request.</summary>
    public ConcurrentQueue<string> Seen => _server.Seen;

    /// <summary>Bodies, in the order in which they came.</summary>
    public List<JsonNode> Bodies { get; } = [];

    /// <summary>The header that each was presented with.</summary>
    public List<string> Keys { get; } = [];

    /// <summary>The most requests at once.</summary>
    public int Most { get; private set; }

    /// <summary>The two sounds of a request, as files.</summary>
    public static byte[][] Sounds(JsonNode body) => [.. Parts(body).Where(p => p!["type"]!.GetValue<string>() == "input_audio").Select(p => Convert.FromBase64String(p!["input_audio"]!["data"]!.GetValue<string>()))];

    /// <summary>The texts of a request.</summary>
    public static string[] Texts(JsonNode body) => [.. Parts(body).Where(p => p!["type"]!.GetValue<string>() == "text").Select(p => p!["text"]!.GetValue<string>())];

    /// <summary>A judge who prefers the longer recording.</summary>
    public static string LikesLong(JsonNode body) => Sounds(body) is [var a, var b] && a.Length != b.Length ? $$"""{"better": "{{(a.Length > b.Length ? "A" : "B")}}"}""" : """{"better": "tie"}""";

    public void Dispose() => _server.Dispose();

    private static JsonArray Parts(JsonNode body) => body["messages"]![0]!["content"]!.AsArray();
}
