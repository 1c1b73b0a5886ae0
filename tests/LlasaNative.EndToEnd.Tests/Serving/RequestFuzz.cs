using System.Globalization;
using System.Text;
using System.Text.Json;
using LlasaNative.Audio;
using LlasaNative.Recognition.Wire;

namespace LlasaNative.EndToEnd.Tests.Serving;

/// <summary>Requests that are wrong in some way; the same for the same random numbers.</summary>
internal sealed class RequestFuzz(Random random, int maxBody)
{
    // Values that have no place anywhere in a body.
    private static readonly string[] _strange =
    [
        "null", "true", "-1", "1024", "2147483648", "-99999999999999999999", "1.5", "1e999", "NaN", "Infinity", "\"\"", "\"1\"", "\"\\ud800\"", "\"\\u0000\"", "[]", "{}", "[[]]",
        "{\"tokens\":[]}", "[null]", "[-1]", "[1024]", "[1e3]", "0x10", "01", "'a'", "undefined", "",
    ];

    private static readonly string[] _paths = ["/score", "/score_batch", "/check", "/score_wav", "/healthz", "/metrics", "/openapi.json", "/", "/score/", "/score_wav?text=", "/%00", "/score?x=%ff", "//", "*"];

    /// <summary>Whether the server can know that the request is over, and so has to answer.</summary>
    public sealed record Request(string Kind, byte[] Bytes, bool IsWhole);

    public Request Next() => random.Next(11) switch
    {
        0 => Whole("bytes of the body changed", Damaged(Body(out var path)), path),
        1 => Whole("body cut", Cut(Body(out var path)), path),
        2 => Whole("value of another kind", Encoding.UTF8.GetBytes(Replaced(Encoding.UTF8.GetString(Body(out var path)))), path),
        3 => Whole("nested deeply", Nested(), _paths[random.Next(3)]),
        4 => Whole("no UTF-8", [.. "{\"tokens\":[1],\"text\":\""u8, .. Noise(random.Next(1, 40)), .. "\"}"u8], "/score"),
        5 => Whole("huge", Encoding.ASCII.GetBytes($"{{\"tokens\":[1],\"text\":\"{new string('a', random.Next(maxBody / 2, 2 * maxBody))}\"}}"), "/score"),
        6 => new Request("huge in chunks", Chunked(), true),
        7 => Whole("WAV damaged", Damaged(WaveFile.Encode(new float[random.Next(2, 400)], 16000)), "/score_wav?text=a", "audio/wav"),
        8 => new Request("head damaged", Damaged(RawRequest.Post(_paths[random.Next(_paths.Length)], Body(out _))), false),
        9 => new Request("length that lies", Lying(), false),
        _ => new Request("request cut", Cut(RawRequest.Post("/score", Body(out _))), false),
    };

    private static Request Whole(string kind, byte[] body, string path, string type = "application/json") => new(kind, RawRequest.Post(path, body, type), true);

    private byte[] Body(out string path)
    {
        ScoreRequest sample = new([.. Enumerable.Range(0, random.Next(0, 8)).Select(_ => random.Next(1024))], "a big dog");
        path = _paths[random.Next(3)];
        return path switch
        {
            "/score" => JsonSerializer.SerializeToUtf8Bytes(sample, WireJson.Default.ScoreRequest),
            "/check" => JsonSerializer.SerializeToUtf8Bytes(new CheckRequest(["a", "b"]), WireJson.Default.CheckRequest),
            _ => JsonSerializer.SerializeToUtf8Bytes(new BatchRequest { Samples = [sample, sample], Sound = random.Next(2) == 0, Scoring = new ScoringRequest { Prompt = "full", Language = "en", BatchSize = 2 } }, WireJson.Default.BatchRequest),
        };
    }

    private byte[] Noise(int count)
    {
        var noise = new byte[count];
        random.NextBytes(noise);
        noise[random.Next(count)] = (byte)random.Next(0x80, 0x100);
        return noise;
    }

    private byte[] Damaged(byte[] valid)
    {
        List<byte> bytes = [.. valid];
        for (var k = random.Next(1, 6); k > 0; k--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(3))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveAt(at);
                    break;
                default:
                    bytes.InsertRange(at, Noise(random.Next(1, 4)));
                    break;
            }
        }

        return [.. bytes];
    }

    private byte[] Cut(byte[] valid) => valid[..random.Next(valid.Length)];

    /// <summary>One value of a body, from its colon, comma or bracket to the next, becomes another.</summary>
    private string Replaced(string json)
    {
        int[] starts = [.. Enumerable.Range(0, json.Length).Where(i => json[i] is ':' or '[')];
        var start = starts[random.Next(starts.Length)] + 1;
        var end = json.IndexOfAny([',', ']', '}'], start);
        return json[..start] + _strange[random.Next(_strange.Length)] + json[end..];
    }

    private byte[] Nested()
    {
        var depth = random.Next(9, 20_000);
        var text = random.Next(3) switch
        {
            0 => new string('[', depth),
            1 => "{\"tokens\":" + new string('[', depth) + new string(']', depth) + ",\"text\":\"a\"}",
            _ => string.Concat(Enumerable.Repeat("{\"samples\":", Math.Min(depth, 2000))),
        };
        return Encoding.ASCII.GetBytes(text);
    }

    /// <summary>More than may be sent, in chunks, so that no length tells beforehand.</summary>
    private byte[] Chunked()
    {
        List<byte> bytes = [.. RawRequest.Head("POST", "/score", "Connection: close", "Content-Type: application/json", "Transfer-Encoding: chunked")];
        var chunk = Encoding.ASCII.GetBytes("2000\r\n" + new string(' ', 0x2000) + "\r\n");
        for (var size = 0; size <= maxBody; size += 0x2000)
        {
            bytes.AddRange(chunk);
        }

        return [.. bytes, .. "0\r\n\r\n"u8];
    }

    private byte[] Lying()
    {
        var body = Body(out var path);
        string[] lengths = ["0", "1", "-1", "abc", "99999999999999999999", "1000", string.Create(CultureInfo.InvariantCulture, $"{body.Length - 1}"), "5, 6"];
        string[] fields = ["Content-Type: application/json", $"Content-Length: {lengths[random.Next(lengths.Length)]}"];
        string[] codings = ["chunked", "gzip", "chunked, chunked", "identity"];
        return [.. RawRequest.Head("POST", path, random.Next(3) == 0 ? [.. fields, $"Transfer-Encoding: {codings[random.Next(codings.Length)]}"] : fields), .. body];
    }
}
