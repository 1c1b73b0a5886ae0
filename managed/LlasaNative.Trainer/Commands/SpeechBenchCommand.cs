using System.Globalization;
using System.Text.Json;
using LlasaNative.Data;
using LlasaNative.Interop;
using LlasaNative.Models;
using LlasaNative.Reporting;
using LlasaNative.Trainer.Serving;
using LlasaNative.Trainer.Serving.Speech;
using LlasaNative.Training;

namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa bench --speech</c>: the speech server with many clients beside one by one, and its windows beside all codes at once.</summary>
internal static class SpeechBenchCommand
{
    // Texts that are drawn and joined to clips of about ten seconds: longer than any window.
    private const int Texts = 64;
    private const int TextsPerClip = 8;

    public static int Run(GrpoOptions options, int clients, double seconds, string output)
    {
        if (clients is < 1 or > 1000 || seconds is not (> 0 and <= 3600))
        {
            throw new UsageException("--clients must be 1 to 1000 and --seconds more than 0, at most 3600");
        }

        string[] texts = [.. PromptFile.Read(TinyWorld.Sentences("test"))];
        var fidelity = Compare(options.Models, [.. texts.Take(Texts)]);
        // One by one: the same clients, but one text at a time.
        var alone = SpeechBench.RunAsync(options.Models, 1, texts, clients, seconds).GetAwaiter().GetResult();
        Print(alone);
        var together = SpeechBench.RunAsync(options.Models, clients, texts, clients, seconds).GetAwaiter().GetResult();
        Print(together);
        AtomicFile.Write(output, path => Write(path, fidelity, [alone, together]));
        Console.WriteLine(output);
        return 0;
    }

    private static List<SpeechBench.Fidelity> Compare(ModelOptions models, string[] texts)
    {
        using var policy = PolicyModel.Load(models.Policy, frozen: true);
        using var codec = SpeechCodec.Load(models.Codec);
        SampleRequest request = new(
            [.. texts.Select(t => policy.EncodePrompt(t, 160))], 1, new SamplingSettings { TopP = 0.9, MaxNewTokens = 160 }, [.. Enumerable.Range(0, texts.Length).Select(i => (ulong)i)]);
        var drawn = policy.Sample(request, CancellationToken.None);
        int[][] clips = [.. Enumerable.Range(0, texts.Length).Select(i => policy.ReadCodes(drawn[i].Tokens.Span)).Chunk(TextsPerClip).Select(c => c.SelectMany(codes => codes).ToArray())];
        List<SpeechBench.Fidelity> measured = [];
        foreach (var left in new[] { 0, 10, 25, 50, 100, 200 })
        {
            foreach (var right in new[] { 2, 5, 10, 20, 40 })
            {
                measured.Add(SpeechBench.Compare(codec, clips, new StreamWindows { Left = left, Right = right }));
                var m = measured[^1];
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"left {left,3}  right {right,2}  {m.SnrDb,6:F1} dB, worst {m.WorstSnrDb,6:F1}; {m.Decoded:F2} codes decoded for each"));
            }
        }

        measured.Add(SpeechBench.Compare(codec, clips, new StreamWindows { Fade = 0 }));
        measured.Add(SpeechBench.Compare(codec, clips, new StreamWindows { Left = 10_000, Right = 10_000 }));
        return measured;
    }

    private static void Print(SpeechBench.Load m) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"slots {m.Slots,3}  {m.Requests / m.Seconds,7:F1} texts/s  {m.SoundSeconds / m.Seconds,7:F1} s of sound/s  {m.ProcessorSeconds / m.Requests * 1000:F1} ms of processor each  first sound p50 {Ms(m.FirstSound, 0.5):F1} ms  p99 {Ms(m.FirstSound, 0.99):F1} ms"));

    private static double Ms(double[] ascending, double share) => ServerBench.Quantile(ascending, share) * 1000;

    private static void Write(string path, List<SpeechBench.Fidelity> fidelity, SpeechBench.Load[] loads)
    {
        var device = NativeDevice.GetInfo();
        using var file = File.Create(path);
        using Utf8JsonWriter json = new(file, new JsonWriterOptions { Indented = true, NewLine = "\n" });
        json.WriteStartObject();
        json.WriteString("version", LlasaVersion.Text);
        json.WriteString("device", device.DeviceName);
        json.WriteString("backend", device.Backend);
        json.WriteString("isa", device.Isa);
        json.WriteNumber("threads", device.NumThreads);
        json.WriteStartArray("servers");
        foreach (var m in loads)
        {
            json.WriteStartObject();
            json.WriteNumber("slots", m.Slots);
            json.WriteNumber("clients", m.Clients);
            json.WriteNumber("requests", m.Requests);
            json.WriteFinite("requests_per_second", m.Requests / m.Seconds);
            json.WriteFinite("sound_seconds_per_second", m.SoundSeconds / m.Seconds);
            json.WriteFinite("processor_seconds_per_request", m.ProcessorSeconds / m.Requests);
            json.WriteFinite("first_sound_p50_ms", Ms(m.FirstSound, 0.5));
            json.WriteFinite("first_sound_p99_ms", Ms(m.FirstSound, 0.99));
            json.WriteFinite("whole_p50_ms", Ms(m.Whole, 0.5));
            json.WriteFinite("whole_p99_ms", Ms(m.Whole, 0.99));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("windows");
        foreach (var m in fidelity)
        {
            json.WriteStartObject();
            json.WriteNumber("left", m.Windows.Left);
            json.WriteNumber("right", m.Windows.Right);
            json.WriteNumber("first", m.Windows.First);
            json.WriteNumber("part", m.Windows.Part);
            json.WriteNumber("fade", m.Windows.Fade);
            json.WriteFinite("snr_db", m.SnrDb);
            json.WriteFinite("worst_snr_db", m.WorstSnrDb);
            json.WriteFinite("decoded_per_code", m.Decoded);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
