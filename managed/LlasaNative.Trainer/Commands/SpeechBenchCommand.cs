using LlasaNative.Trainer.Serving.Speech;

namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa bench --speech</c>: the speech server with many clients beside one by one, and its windows beside all codes at once.</summary>
internal static class SpeechBenchCommand
{
    // Texts that are drawn and joined to clips of about ten seconds: longer than any window.
    private const int Texts = 64;
    private const int TextsPerClip = 8;

    public static int Run(GrpoOptions options, int clients, double seconds, string output)
    {
        string[] texts = [.. PromptFile.Read(TinyWorld.Sentences("test"))];
        var fidelity = Compare(options.Models, [.. texts.Take(Texts)]);
        // One by one: the same clients, but one text at a time.
        var alone = SpeechBench.RunAsync(options.Models, 1, texts, clients, seconds).GetAwaiter().GetResult();
        Print(alone);
        var together = SpeechBench.RunAsync(options.Models, clients, texts, clients, seconds).GetAwaiter().GetResult();
        Print(together);
        AtomicFile.WriteBytes(output, ToJson(fidelity, [alone, together]));
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

    private static byte[] ToJson(List<SpeechBench.Fidelity> fidelity, SpeechBench.Load[] loads)
    {
        var device = NativeDevice.GetInfo();
        return JsonWriting.ToFile(new
        {
            Version = LlasaVersion.Text,
            Device = device.DeviceName,
            device.Backend,
            device.Isa,
            Threads = device.NumThreads,
            Servers = loads.Select(m => new
            {
                m.Slots,
                m.Clients,
                m.Requests,
                RequestsPerSecond = m.Requests / m.Seconds,
                SoundSecondsPerSecond = m.SoundSeconds / m.Seconds,
                ProcessorSecondsPerRequest = m.ProcessorSeconds / m.Requests,
                FirstSoundP50Ms = Ms(m.FirstSound, 0.5),
                FirstSoundP99Ms = Ms(m.FirstSound, 0.99),
                WholeP50Ms = Ms(m.Whole, 0.5),
                WholeP99Ms = Ms(m.Whole, 0.99),
            }),
            Windows = fidelity.Select(m => new
            {
                m.Windows.Left,
                m.Windows.Right,
                m.Windows.First,
                m.Windows.Part,
                m.Windows.Fade,
                m.SnrDb,
                m.WorstSnrDb,
                DecodedPerCode = m.Decoded,
            }),
        });
    }
}
