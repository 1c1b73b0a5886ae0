using System.Text;

namespace LlasaNative.EndToEnd.Tests.Serving;

/// <summary>Requests to the speech server that are wrong in some way; the same for the same random numbers.</summary>
internal sealed class SpeechFuzz(Random random, int maxBody)
{
    private static readonly string[] _fields = ["model", "input", "voice", "response_format", "stream_format", "speed", "instructions", "seed", "temperature", "top_p", "top_k"];

    // Values that have no place in any of them.
    private static readonly string[] _strange =
    [
        "true", "-1", "2147483648", "-99999999999999999999", "1.5", "1e999", "NaN", "\"1\"", "\"\\ud800\"", "\"\\u0000\"", "[]", "{}", "[[]]", "{\"id\": []}", "{\"id\": \"x\"}", "[null]", "0x10", "01", "'a'", "undefined", "",
    ];

    private static readonly string[] _paths = ["/v1/audio/speech", "/v1/audio/voices", "/v1/models", "/v1/models/x", "/v1/models/%00", "/healthz", "/metrics", "/metrics/x", "/", "/speech.js", "/v1", "//", "*", "/v1/audio/speech/"];

    /// <summary>A request, and whether the server can know that it is over, and so has to answer.</summary>
    public (byte[] Bytes, bool IsWhole) Next() => random.Next(9) switch
    {
        0 => (RawRequest.Post("/v1/audio/speech", Damaged(Good())), true),
        1 => (RawRequest.Post("/v1/audio/speech", Cut(Good())), true),
        2 or 3 => (RawRequest.Post("/v1/audio/speech", Encoding.UTF8.GetBytes($"{{\"input\": \"a\", \"{_fields[random.Next(_fields.Length)]}\": {_strange[random.Next(_strange.Length)]}}}")), true),
        4 => (RawRequest.Post("/v1/audio/speech", Encoding.ASCII.GetBytes($"{{\"input\": \"{new string('a', random.Next(maxBody / 2, 2 * maxBody))}\"}}")), true),
        5 => (RawRequest.Post("/v1/audio/voices", Damaged(Form()), "multipart/form-data; boundary=x"), true),
        6 => (RawRequest.Post(_paths[random.Next(_paths.Length)], Good(), random.Next(2) == 0 ? "text/plain" : "application/json; charset=klingon"), true),
        7 => (Damaged(RawRequest.Post(_paths[random.Next(_paths.Length)], Good())), false),
        _ => (Cut(RawRequest.Post("/v1/audio/speech", Good())), false),
    };

    private static byte[] Good() => "{\"model\": \"policy\", \"input\": \"a\", \"voice\": \"default\", \"response_format\": \"wav\"}"u8.ToArray();

    /// <summary>A form with a sound that is none.</summary>
    private static byte[] Form() => Encoding.ASCII.GetBytes(
        "--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nnew\r\n--x\r\nContent-Disposition: form-data; name=\"audio_sample\"; filename=\"a.wav\"\r\n\r\nRIFF....WAVEfmt \r\n--x--\r\n");

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
                    bytes.Insert(at, (byte)random.Next(256));
                    break;
            }
        }

        return [.. bytes];
    }

    private byte[] Cut(byte[] valid) => valid[..random.Next(valid.Length)];
}
