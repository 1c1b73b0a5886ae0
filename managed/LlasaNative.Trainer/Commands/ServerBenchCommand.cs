using System.Globalization;
using System.Text.Json;
using LlasaNative.Data;
using LlasaNative.Interop;
using LlasaNative.Engine;
using LlasaNative.Recognition;
using LlasaNative.Recognition.Wire;
using LlasaNative.Models;
using LlasaNative.Reporting;
using LlasaNative.Trainer.Serving;
using LlasaNative.Training;

namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa bench --server</c>: the reward server with batching and without.</summary>
internal static class ServerBenchCommand
{
    private const int Samples = 128;

    public static int Run(GrpoOptions options, int clients, double seconds, string output)
    {
        if (clients is < 1 or > 1000 || seconds is not (> 0 and <= 3600))
        {
            throw new UsageException("--clients must be 1 to 1000 and --seconds more than 0, at most 3600");
        }

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
        AtomicFile.Write(output, path => Write(path, clients, samples, work, [alone, batched]));
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
        return [.. texts.Select((t, i) => new ScoreRequest { Tokens = batch.Codes[i], Text = t })];
    }

    private static void Print(ServerBench.Measurement m, Cost work) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"batch {m.MaxBatch,4}  {m.PerSecond,8:F1} samples/s  {work.OfPeak(m) * 100:F0} % of the GEMM peak  p50 {Ms(m.Latencies, 0.5):F1} ms  p99 {Ms(m.Latencies, 0.99):F1} ms  healthz p50 {Ms(m.Health, 0.5):F1} ms  p99 {Ms(m.Health, 0.99):F1} ms  max {Ms(m.Health, 1):F1} ms"));

    private static double Ms(double[] ascending, double share) => ServerBench.Quantile(ascending, share) * 1000;

    private static void Write(string path, int clients, List<ScoreRequest> samples, Cost work, ServerBench.Measurement[] measurements)
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
        json.WriteNumber("clients", clients);
        json.WriteFinite("codes_per_sample", samples.Average(s => s.Tokens.Length));
        json.WriteFinite("gflop_per_sample", work.Gflop);
        json.WriteFinite("gemm_gflops", work.PeakGflops);
        json.WriteFinite("ratio", measurements[1].PerSecond / measurements[0].PerSecond);
        json.WriteStartArray("servers");
        foreach (var m in measurements)
        {
            json.WriteStartObject();
            json.WriteNumber("max_batch", m.MaxBatch);
            json.WriteNumber("samples", m.Samples);
            json.WriteFinite("samples_per_second", m.PerSecond);
            json.WriteFinite("fraction_of_gemm_peak", work.OfPeak(m));
            json.WriteFinite("latency_p50_ms", Ms(m.Latencies, 0.5));
            json.WriteFinite("latency_p99_ms", Ms(m.Latencies, 0.99));
            json.WriteNumber("health_requests", m.Health.Length);
            json.WriteFinite("health_p50_ms", Ms(m.Health, 0.5));
            json.WriteFinite("health_p99_ms", Ms(m.Health, 0.99));
            json.WriteFinite("health_max_ms", Ms(m.Health, 1));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
