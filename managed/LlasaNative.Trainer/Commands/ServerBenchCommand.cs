namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa bench --server</c>: the reward server with batching and without.</summary>
internal static class ServerBenchCommand
{
    private const int Samples = 128;

    public static int Run(GrpoOptions options, int clients, double seconds, string output)
    {
        if (RecogniserEngines.IsGgml(options.Models.Recogniser))
        {
            throw new UsageException($"{options.Models.Recogniser}: `bench --server` counts the arithmetic of the native engine, which reads no ggml file");
        }

        var samples = Draw(options);
        var maxBatch = new ServerOptions().MaxBatch;
        var alone = ServerBench.RunAsync(options.Models, 1, samples, clients, seconds).GetAwaiter().GetResult();
        var work = Work(options, samples, alone.Transcripts);
        Print(alone, work);
        var batched = ServerBench.RunAsync(options.Models, maxBatch, samples, clients, seconds).GetAwaiter().GetResult();
        Print(batched, work);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"ratio       {batched.PerSecond / alone.PerSecond:F2}; {1 / work.OfPeak(alone):F2} if batches reached the GEMM peak of {work.PeakGflops:F0} GFLOP/s with {work.Gflop:F3} GFLOP per sample"));
        AtomicFile.WriteBytes(output, ToJson(clients, samples, work, [alone, batched]));
        Console.WriteLine(output);
        return 0;
    }

    /// <summary>What a sample costs, and how much of that the machine can do at best.</summary>
    private sealed record Cost(double Gflop, double PeakGflops)
    {
        public double OfPeak(ServerBench.Measurement m) => m.PerSecond * Gflop / PeakGflops;
    }

    private static Cost Work(GrpoOptions options, List<ScoreRequest> samples, string[] transcripts)
    {
        using var recognition = NativeEngine.LoadRecognition(options.Models, options.ToScoring());
        var peaks = NativeDevice.MeasurePeaks();
        var flops = samples.Select((s, i) => StepCost.Scoring(recognition, s.Tokens.Length, s.Text, transcripts[i])).Average();
        return new Cost(flops * 1e-9, options.Models.ScoringType == ComputeType.Bf16 ? peaks.GemmBF16Gflops : peaks.GemmGflops);
    }

    /// <summary>Samples of the policy: what a server meets while it is trained.</summary>
    private static List<ScoreRequest> Draw(GrpoOptions options)
    {
        using var policy = PolicyModel.Load(options.Models.Policy, options.Prompt);
        string[] texts = [.. PromptFile.Read(TinyWorld.Sentences("train")).Take(Samples)];
        SamplingSettings sampling = new() { Temperature = 0.8, MaxNewTokens = options.Rollout.MaxNewTokens };
        using SpokenBatch batch = new(policy, null, new SpeakRequest([.. texts.Select(t => new EncodedText(t, policy.EncodePrompt(t, sampling.MaxNewTokens)))], 1, sampling, 0), new PhaseTimer(), CancellationToken.None);
        batch.TakeTokens();
        batch.Sample();
        batch.ReadCodes();
        return [.. texts.Select((t, i) => new ScoreRequest(batch.Codes[i], t))];
    }

    private static void Print(ServerBench.Measurement m, Cost work) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"batch {m.MaxBatch,4}  {m.PerSecond,8:F1} samples/s  {work.OfPeak(m) * 100:F0} % of the GEMM peak  p50 {Ms(m.Latencies, 0.5):F1} ms  p99 {Ms(m.Latencies, 0.99):F1} ms  healthz p50 {Ms(m.Health, 0.5):F1} ms  p99 {Ms(m.Health, 0.99):F1} ms  max {Ms(m.Health, 1):F1} ms"));

    private static double Ms(double[] ascending, double share) => ServerBench.Quantile(ascending, share) * 1000;

    private static byte[] ToJson(int clients, List<ScoreRequest> samples, Cost work, ServerBench.Measurement[] measurements)
    {
        var device = NativeDevice.GetInfo();
        return JsonWriting.ToFile(new
        {
            Version = LlasaVersion.Text,
            Device = device.DeviceName,
            device.Backend,
            device.Isa,
            Threads = device.NumThreads,
            Clients = clients,
            CodesPerSample = samples.Average(s => s.Tokens.Length),
            GflopPerSample = work.Gflop,
            GemmGflops = work.PeakGflops,
            Ratio = measurements[1].PerSecond / measurements[0].PerSecond,
            Servers = measurements.Select(m => new
            {
                m.MaxBatch,
                m.Samples,
                SamplesPerSecond = m.PerSecond,
                FractionOfGemmPeak = work.OfPeak(m),
                LatencyP50Ms = Ms(m.Latencies, 0.5),
                LatencyP99Ms = Ms(m.Latencies, 0.99),
                HealthRequests = m.Health.Length,
                HealthP50Ms = Ms(m.Health, 0.5),
                HealthP99Ms = Ms(m.Health, 0.99),
                HealthMaxMs = Ms(m.Health, 1),
            }),
        });
    }
}
