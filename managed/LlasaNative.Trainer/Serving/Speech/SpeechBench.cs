using System.Diagnostics;

namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>Measures the speech server under clients that each ask for the next text when the last one is heard, and what windows cost in fidelity.</summary>
internal static class SpeechBench
{
    /// <summary>What one server did.</summary>
    /// <param name="Slots">Texts that it speaks at once.</param>
    /// <param name="ProcessorSeconds">Processor time that took, clients included.</param>
    /// <param name="FirstSound">Seconds of each from its body to the first samples, ascending.</param>
    /// <param name="Whole">Seconds of each to its last byte, ascending.</param>
    public sealed record Load(int Slots, int Clients, int Requests, double Seconds, double ProcessorSeconds, double SoundSeconds, double[] FirstSound, double[] Whole);

    /// <summary>What windows give, beside all codes at once.</summary>
    /// <param name="Windows">How they are cut.</param>
    /// <param name="SnrDb">Power of the sound over that of the difference, in decibels, over all clips.</param>
    /// <param name="WorstSnrDb">That of the clip where it is least.</param>
    /// <param name="Decoded">Codes decoded for each that is heard.</param>
    public sealed record Fidelity(StreamWindows Windows, double SnrDb, double WorstSnrDb, double Decoded);

    /// <summary>Runs a server of its own and loads it with streamed requests.</summary>
    public static async Task<Load> RunAsync(ModelOptions models, int slots, IReadOnlyList<string> texts, int clients, double seconds)
    {
        await using var server = await SpeechServer.StartAsync(models, null, new ScoringOptions(), new SpeechOptions { Port = 0, Slots = slots, MaxNewTokens = 160, QueueCapacity = 10_000 });
        using HttpClient http = new(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = server.Url };
        for (var i = 0; i < Math.Min(clients, 8); i++)
        {
            await SpeakAsync(http, texts[i % texts.Count], i);
        }

        List<(double First, double Whole, int Bytes)> heard = [];
        var next = -1;
        using var process = Process.GetCurrentProcess();
        var (start, processor) = (Stopwatch.GetTimestamp(), process.TotalProcessorTime);
        using CancellationTokenSource over = new(TimeSpan.FromSeconds(seconds));
        await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => Task.Run(async () =>
        {
            while (!over.IsCancellationRequested)
            {
                var number = Interlocked.Increment(ref next);
                var one = await SpeakAsync(http, texts[number % texts.Count], number);
                lock (heard)
                {
                    heard.Add(one);
                }
            }
        })));
        process.Refresh();
        return new Load(
            slots, clients, heard.Count, Stopwatch.GetElapsedTime(start).TotalSeconds, (process.TotalProcessorTime - processor).TotalSeconds,
            heard.Sum(h => (h.Bytes - 44) / 2) / (double)server.Health.SampleRate, [.. heard.Select(h => h.First).Order()], [.. heard.Select(h => h.Whole).Order()]);
    }

    /// <summary>Cuts clips as the server does while they are drawn, and compares.</summary>
    public static Fidelity Compare(ISpeechCodec codec, IReadOnlyList<int[]> clips, StreamWindows windows)
    {
        double signal = 0, difference = 0, worst = double.PositiveInfinity;
        long decoded = 0;
        foreach (var clip in clips)
        {
            using var whole = codec.Decode([clip]);
            var streamed = Stream(codec, clip, windows, ref decoded);
            double power = 0, error = 0;
            for (var i = 0; i < streamed.Length; i++)
            {
                power += whole[0][i] * (double)whole[0][i];
                error += (whole[0][i] - (double)streamed[i]) * (whole[0][i] - streamed[i]);
            }

            (signal, difference, worst) = (signal + power, difference + error, Math.Min(worst, Decibels(power, error)));
        }

        return new Fidelity(windows, Decibels(signal, difference), worst, (double)decoded / clips.Sum(c => c.Length));
    }

    /// <summary>The sound of codes that come one by one.</summary>
    private static float[] Stream(ISpeechCodec codec, int[] codes, StreamWindows windows, ref long decoded)
    {
        SpeechJob job = new() { Text = new EncodedText("", [0]), Sampling = new SamplingSettings(), Id = 0 };
        long count = 0;
        SoundStream stream = new(job, windows, codec.SamplesPerCode, piece =>
        {
            count += piece.Codes.Length;
            using var sound = codec.Decode([piece.Codes]);
            piece.Done(sound[0][(piece.First * codec.SamplesPerCode)..].ToArray());
        });
        for (var drawn = 1; drawn <= codes.Length; drawn++)
        {
            stream.Go(codes.AsSpan(0, drawn), ended: drawn == codes.Length);
        }

        List<float> sound = [];
        while (job.Sound.TryRead(out var part))
        {
            sound.AddRange(part);
        }

        decoded += count;
        return [.. sound];
    }

    // Rounding of floats is all that is left beyond 150 dB.
    private static double Decibels(double power, double error) => 10 * Math.Log10(power / Math.Max(error, power * 1e-15));

    private static async Task<(double First, double Whole, int Bytes)> SpeakAsync(HttpClient http, string text, int seed)
    {
        var start = Stopwatch.GetTimestamp();
        SpeechRequest request = new() { Input = text, ResponseFormat = "wav", StreamFormat = "audio", Seed = seed };
        using HttpRequestMessage message = new(HttpMethod.Post, new Uri("v1/audio/speech", UriKind.Relative))
        {
            Content = new StringContent(JsonSerializer.Serialize(request, SpeechJson.Default.SpeechRequest), Encoding.UTF8, "application/json"),
        };
        using var response = await http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead);
        response.EnsureSuccessStatusCode();
        await using var body = await response.Content.ReadAsStreamAsync();
        var (buffer, bytes, first) = (new byte[65536], 0, 0.0);
        for (int count; (count = await body.ReadAsync(buffer)) > 0; bytes += count)
        {
            // The header alone is no sound.
            first = first == 0 && bytes + count > 44 ? Stopwatch.GetElapsedTime(start).TotalSeconds : first;
        }

        return (first, Stopwatch.GetElapsedTime(start).TotalSeconds, bytes);
    }
}
