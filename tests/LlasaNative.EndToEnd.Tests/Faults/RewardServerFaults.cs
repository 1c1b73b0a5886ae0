using System.Text;
using System.Text.Json.Nodes;

namespace LlasaNative.EndToEnd.Tests.Faults;

/// <summary>What can happen to an answer of a reward server, by name.</summary>
internal static class RewardServerFaults
{
    /// <summary>May be over when one asks again.</summary>
    public static readonly IReadOnlyDictionary<string, FaultyProxy.Fault> Passing = new Dictionary<string, FaultyProxy.Fault>
    {
        ["connection reset"] = line =>
        {
            line.Reset();
            return Task.CompletedTask;
        },
        ["connection closed"] = _ => Task.CompletedTask,
        ["cut in the head"] = line => line.WriteAsync("HTTP/1.1 200 OK\r\nContent-Le", default),
        ["cut in the body"] = async line =>
        {
            var (status, answer) = await line.AskAsync();
            await line.WriteAsync(FaultyProxy.Line.Head(status, answer.Length) + "\r\n", answer.AsMemory(0, answer.Length / 2));
        },
        ["silent"] = line => line.WaitForTheClientToGoAsync(),
        ["stalled in the body"] = async line =>
        {
            var (status, answer) = await line.AskAsync();
            await line.WriteAsync(FaultyProxy.Line.Head(status, answer.Length) + "\r\n", answer.AsMemory(0, answer.Length / 2));
            await line.WaitForTheClientToGoAsync();
        },
        ["408"] = line => line.RefuseAsync(408),
        ["429"] = line => line.RefuseAsync(429, "Retry-After: 0\r\n"),
        ["502"] = line => line.RefuseAsync(502),
        ["503"] = line => line.RefuseAsync(503),
        ["504"] = line => line.RefuseAsync(504),
    };

    /// <summary>Those of them that take as long as the client has patience.</summary>
    public static readonly IReadOnlyList<string> Slow = ["silent", "stalled in the body"];

    /// <summary>Will be no better next time.</summary>
    public static readonly IReadOnlyDictionary<string, FaultyProxy.Fault> Staying = new Dictionary<string, FaultyProxy.Fault>
    {
        ["400"] = line => line.RefuseAsync(400),
        ["500"] = line => line.RefuseAsync(500),
        ["redirected"] = line => line.RefuseAsync(302, "Location: /elsewhere\r\n"),
        ["no HTTP"] = line => line.WriteAsync("SSH-2.0-OpenSSH_9.9\r\n\r\n", default),
        ["empty"] = line => line.ForgeAsync([]),
        ["HTML"] = line => line.ForgeAsync("<html><body>Welcome!</body></html>"u8.ToArray()),
        ["random bytes"] = async line =>
        {
            var (_, answer) = await line.AskAsync();
            new Random(1).NextBytes(answer);
            await line.ForgeAsync(answer);
        },
        ["half of the JSON"] = Text(text => text[..(text.Length / 2)]),
        ["null"] = line => line.ForgeAsync("null"u8.ToArray()),
        ["an array"] = line => line.ForgeAsync("[1, 2, 3]"u8.ToArray()),
        ["nested deeply"] = line => line.ForgeAsync(Encoding.ASCII.GetBytes(new string('[', 100_000))),
        ["results of another type"] = Json(json => json["results"] = "very good"),
        ["results missing"] = Json(json => json.AsObject().Remove("results")),
        ["too few results"] = Json(json => json["results"]!.AsArray().RemoveAt(0)),
        ["too many results"] = Json(json => json["results"]!.AsArray().Add(json["results"]![0]!.DeepClone())),
        ["a result null"] = Json(json => json["results"]!.AsArray()[1] = null),
        ["a field missing"] = Json(json => json["results"]![1]!.AsObject().Remove("nll")),
        ["a field twice"] = Text(text => text.Replace("\"nll\":", "\"nll\":0,\"nll\":", StringComparison.Ordinal)),
        ["transcript null"] = Json(json => json["results"]![1]!["transcript"] = null),
        ["NLL a text"] = Json(json => json["results"]![1]!["nll"] = "NaN"),
        ["NLL NaN"] = Text(text => text.Replace("\"nll\":", "\"nll\":NaN,\"x\":", StringComparison.Ordinal)),
        ["NLL infinite"] = Text(text => text.Replace("\"nll\":", "\"nll\":1e999,\"x\":", StringComparison.Ordinal)),
        ["NLL negative"] = Json(json => json["results"]![1]!["nll"] = -0.5),
        ["log-prob positive"] = Json(json => json["results"]![1]!["mean_log_prob"] = 0.5),
        ["log-prob infinite"] = Text(text => text.Replace("\"mean_log_prob\":", "\"mean_log_prob\":-1e999,\"x\":", StringComparison.Ordinal)),
        ["probability 2"] = Json(json => json["results"]![1]!["no_speech_prob"] = 2),
        ["seconds negative"] = Json(json => json["results"]![1]!["seconds"] = -1),
        ["loudness infinite"] = Text(text => text.Replace("\"rms\":", "\"rms\":1e999,\"x\":", StringComparison.Ordinal)),
        ["another model's"] = Json(json => json["model"] = "another@0+codec@0"),
    };

    /// <summary>A fault by its name.</summary>
    public static FaultyProxy.Fault Named(string name) => Passing.TryGetValue(name, out var fault) ? fault : Staying[name];

    private static FaultyProxy.Fault Text(Func<string, string> change) => async line =>
    {
        var (status, answer) = await line.AskAsync();
        Assert.That(status, Is.EqualTo(200));
        var (text, changed) = (Encoding.UTF8.GetString(answer), change(Encoding.UTF8.GetString(answer)));
        Assert.That(changed, Is.Not.EqualTo(text));
        await line.ForgeAsync(Encoding.UTF8.GetBytes(changed));
    };

    private static FaultyProxy.Fault Json(Action<JsonNode> change) => Text(text =>
    {
        var json = JsonNode.Parse(text)!;
        change(json);
        return json.ToJsonString();
    });
}
