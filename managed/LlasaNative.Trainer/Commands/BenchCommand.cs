using LlasaNative.Trainer.Works;

namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa bench</c>: the phases of a GRPO step, each beside the machine's roof.</summary>
internal static class BenchCommand
{
    private sealed record Phase(string Name, double Seconds, double Flops, double Bytes, string Rate, ComputeType Type = ComputeType.F32);

    public static Command Create()
    {
        ModelArguments models = new();
        Option<int> steps = new("--steps") { Description = "Steps that are measured, after one to warm up.", DefaultValueFactory = _ => 3 };
        Option<string> output = new("--out") { Description = "Directory of step.json, or of the work's.", DefaultValueFactory = _ => Path.Combine("artifacts", "bench") };
        Option<string[]> set = new("--set") { Description = "key=value of the training configuration; may be repeated." };
        Option<bool> server = new("--server") { Description = "Measure the reward server instead, with batching and without." };
        Option<bool> speech = new("--speech") { Description = "Measure the speech server instead, with many clients beside one by one, and its streaming beside decoding at once." };
        Option<int> clients = new("--clients") { Description = "Clients of the server at the same time.", DefaultValueFactory = _ => 32 };
        Option<double> seconds = new("--seconds") { Description = "How long each server is measured.", DefaultValueFactory = _ => 10 };
        WorkArguments works = new();
        Command command = new("bench", "Measure the phases of a GRPO step, or one kind of work, against the machine's GEMM and bandwidth roofs.");
        command.Takes([steps, output, set, server, speech, clients, seconds, models.PolicyType, models.ScoringType, .. models.All, .. works.All]);
        return command.Does(parsed =>
        {
            if (parsed.GetValue(steps) < 1)
            {
                throw new UsageException("--steps must be at least 1");
            }

            // The policy stays as it is, so that every step has the same work to do.
            var options = OptionTree.Build<GrpoOptions>([new("optimiser.learning_rate", "0", "bench"), .. OptionAssignment.Read(null, parsed.GetValue(set))]);
            options = options with { Models = models.Read(parsed, options.Models) };
            if (works.Read(parsed, options.Optimiser) is { } work)
            {
                return WorkArguments.Run(work, options.Models, parsed.GetValue(output)!);
            }

            var (load, time, folder) = (parsed.GetValue(clients), parsed.GetValue(seconds), parsed.GetValue(output)!);
            if ((parsed.GetValue(server) || parsed.GetValue(speech)) && (load is < 1 or > 1000 || time is not (> 0 and <= 3600)))
            {
                throw new UsageException("--clients must be 1 to 1000 and --seconds more than 0, at most 3600");
            }

            return parsed.GetValue(server) ? ServerBenchCommand.Run(options, load, time, Path.Combine(folder, "server.json"))
                : parsed.GetValue(speech) ? SpeechBenchCommand.Run(options, load, time, Path.Combine(folder, "speech.json"))
                : Run(options, parsed.GetValue(steps), Path.Combine(folder, "step.json"));
        });
    }

    private static int Run(GrpoOptions options, int steps, string output)
    {
        var prompts = TrainingData.ReadTraining(options.Data);
        using var models = NativeEngine.Load(options.Models, options.Prompt, options.ToScoring(training: true));
        using var loop = NativeEngine.CreateLoop(options, models, TrainingData.FittingForTraining(prompts, options, models, Voices.None));
        using StopSignal stop = new(atOnce: true);
        var device = NativeDevice.GetInfo();
        var peaks = NativeDevice.MeasurePeaks();
        loop.TakeStep(1, keepSound: false, stop.Abort);
        List<StepReport> reports = [];
        for (var step = 2; step <= steps + 1; step++)
        {
            reports.Add(loop.TakeStep(step, keepSound: false, stop.Abort));
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"step {step - 1}/{steps}: {reports[^1].Metrics["seconds/step"]:F2} s"));
        }

        StepCost cost = new((PolicyModel)models.Policy, (LocalRecognition)models.Recognition, options, reports);
        Phase[] phases =
        [
            new("rollout", Mean("rollout"), cost.Rollout, 0, Rate(cost.RolloutTokens, Mean("rollout"), "tokens/s"), options.Models.PolicyType),
            new("vocode", Mean("vocode"), cost.Vocode, 0, RealTime(Mean("vocode")), options.Models.ScoringType),
            new("recognise", Mean("recognise"), cost.Recognise, 0, RealTime(Mean("recognise")), options.Models.ScoringType),
            new("reward", Mean("reward"), 0, 0, ""),
            new("advantage", Mean("advantage"), 0, 0, ""),
            new("gradient", Mean("gradient"), cost.Gradient, 0, Rate(cost.TrainedTokens, Mean("gradient"), "tokens/s"), options.Models.PolicyType),
            new("update", Mean("update"), 0, cost.UpdateBytes, ""),
        ];
        var total = reports.Average(r => r.Metrics["seconds/step"]);
        Console.Write(Table(phases, total, peaks, device));
        AtomicFile.WriteBytes(output, ToJson(phases, total, peaks, device, options, steps, cost));
        Console.WriteLine(output);
        return 0;

        double Mean(string phase) => reports.Average(r => r.Metrics[$"seconds/{phase}"]);
        string RealTime(double seconds) => string.Create(CultureInfo.InvariantCulture, $"real-time factor {seconds / cost.AudioSeconds:F4}");
    }

    private static string Rate(double count, double seconds, string unit) => string.Create(CultureInfo.InvariantCulture, $"{count / seconds:F0} {unit}");

    private static string Table(Phase[] phases, double total, NativeMachinePeaks peaks, NativeDeviceInfo device)
    {
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"{device.DeviceName}, {device.Backend} ({device.Isa}), {device.NumThreads} threads: ")
            .Append(CultureInfo.InvariantCulture, $"GEMM {peaks.GemmGflops:F1} GFLOP/s ({peaks.GemmBF16Gflops:F1} in bf16), memory {peaks.BandwidthGbPerS:F1} GB/s\n\n")
            .Append("phase        seconds   share   of the roof     rate\n");
        foreach (var phase in phases)
        {
            text.Append(CultureInfo.InvariantCulture, $"{phase.Name,-11} {phase.Seconds,8:F3}  {phase.Seconds / total,6:P1}   {Roof(phase, peaks),-15} {phase.Rate}\n");
        }

        return text.Append(CultureInfo.InvariantCulture, $"{"step",-11} {total,8:F3}\n").ToString();
    }

    private static string Roof(Phase phase, NativeMachinePeaks peaks) => phase switch
    {
        { Flops: > 0 } => string.Create(CultureInfo.InvariantCulture, $"{OfGemm(phase, peaks):P1} GEMM"),
        { Bytes: > 0 } => string.Create(CultureInfo.InvariantCulture, $"{OfMemory(phase, peaks):P1} memory"),
        _ => "-",
    };

    private static double OfGemm(Phase phase, NativeMachinePeaks peaks) =>
        phase.Flops / phase.Seconds / ((phase.Type == ComputeType.Bf16 ? peaks.GemmBF16Gflops : peaks.GemmGflops) * 1e9);

    private static double OfMemory(Phase phase, NativeMachinePeaks peaks) => phase.Bytes / phase.Seconds / (peaks.BandwidthGbPerS * 1e9);

    private static byte[] ToJson(Phase[] phases, double total, NativeMachinePeaks peaks, NativeDeviceInfo device, GrpoOptions options, int steps, StepCost cost) => JsonWriting.ToFile(new
    {
        Version = LlasaVersion.Text,
        Device = device.DeviceName,
        device.Backend,
        device.Isa,
        Threads = device.NumThreads,
        peaks.GemmGflops,
        GemmBf16Gflops = peaks.GemmBF16Gflops,
        peaks.BandwidthGbPerS,
        Prompts = options.Rollout.PromptsPerStep,
        options.Rollout.SamplesPerPrompt,
        Steps = steps,
        SecondsPerStep = total,
        AudioSecondsPerStep = cost.AudioSeconds,
        RolloutTokensPerStep = cost.RolloutTokens,
        TrainingTokensPerStep = cost.TrainedTokens,
        Phases = phases.ToDictionary(p => p.Name, p => new
        {
            p.Seconds,
            Share = p.Seconds / total,
            Gflop = p.Flops > 0 ? p.Flops / 1e9 : (double?)null,
            FractionOfGemmPeak = p.Flops > 0 ? OfGemm(p, peaks) : (double?)null,
            Megabytes = p.Bytes > 0 ? p.Bytes / 1e6 : (double?)null,
            FractionOfBandwidth = p.Bytes > 0 ? OfMemory(p, peaks) : (double?)null,
            p.Rate,
        }),
    });
}
