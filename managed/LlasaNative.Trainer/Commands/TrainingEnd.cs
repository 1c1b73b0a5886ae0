namespace LlasaNative.Trainer.Commands;

/// <summary>What every way of training does once it has its loop: steps, shown and saved; then the policy is exported, or the interruption reported.</summary>
internal static class TrainingEnd
{
    /// <summary>Takes the steps of a run.</summary>
    /// <param name="options">All options of the run, with those of its trainer and of the run itself.</param>
    /// <param name="ranks">Who takes the steps together; null = this process alone.</param>
    /// <param name="complete">Adds to the settings what is the command's own.</param>
    public static int Run(
        string command, ITrainingLoop loop, (object All, TrainerOptions Trainer, RunOptions Run) options, ConfigurationArguments arguments, ParseResult parsed, RankSession? ranks,
        Func<RunSettings, CancellationToken, RunSettings> complete)
    {
        var (world, run) = (ranks?.World ?? Ranks.Alone, options.Run);
        var progress = ranks is null ? Terminal.Progress(run.Steps) : Terminal.Progress(run.Steps, ranks);
        progress.Note($"computing on {Terminal.Describe(NativeDevice.GetInfo())}; training by {options.Trainer.Engine}{ranks?.Description}");
        using StopSignal stop = new(progress.Note);
        using var dashboard = DashboardServer.StartFor(world.Rank == 0 ? parsed.GetValue(arguments.Dashboard) : null, run.Out, progress.Note);
        RunCheckpoints checkpoints = new(Path.Combine(run.Out, "checkpoints"), run.Keep, (PolicyModel)loop.Policy);
        var outcome = TrainingRun.Execute(loop, complete(new RunSettings(
            Run: run,
            Options: options.All,
            Resume: parsed.GetValue(arguments.Resume)!,
            Checkpoints: world.Size == 1 ? checkpoints : new SharedCheckpoints(checkpoints, world),
            OpenLog: state => world.Rank == 0 ? Open(state) : new NoLog(),
            Progress: progress,
            Stop: stop) { World = world }, stop.Abort));
        return Report(outcome, (PolicyModel)loop.Policy, run, world);

        // What is refused, as another process writes it or as it was begun with other options, keeps what it has.
        IRunLog Open(RunState? state)
        {
            RunFiles files = new(run, state, WaveFile.Encode);
            RunManifest.Write(Path.Combine(run.Out, "run.json"), command, OptionTree.Values(options.All), Terminal.Device());
            return files;
        }
    }

    private static int Report(RunOutcome outcome, PolicyModel policy, RunOptions run, IWorld world)
    {
        if (outcome.Stopped && !outcome.Completed)
        {
            if (world.Rank == 0)
            {
                Console.Error.WriteLine($"llasa: interrupted after step {outcome.Step}; saved {outcome.Checkpoint}");
            }

            return CommandLine.Interrupted;
        }

        if (world.Rank > 0)
        {
            policy.TakePartInSaving();
            return 0;
        }

        var target = Path.Combine(run.Out, "policy");
        new PhaseTimer().Measure("export", () => Export(policy, target, run.ExportType));
        if (policy.Adapter is { } adapter)
        {
            Publish(Path.Combine(run.Out, "adapter"), adapter.Save);
        }

        Console.WriteLine(outcome.Reason is { } reason ? $"ended after step {outcome.Step}: {reason}; saved {outcome.Checkpoint}; policy in {target}"
            : outcome.Completed ? $"{outcome.Step} steps; policy in {target}"
            : $"stopped by run.time_limit_minutes after step {outcome.Step}; policy in {target}");
        if (outcome.Best is var (step, value))
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"lowest held-out loss {value:F4} after step {step}: {Path.Combine(run.Out, "checkpoints", $"step-{step:D6}")}"));
        }

        return 0;
    }

    /// <summary>Writes a policy directory in one move.</summary>
    public static void Export(PolicyModel policy, string target, SaveType type) => Publish(target, directory => policy.Save(directory, type switch
    {
        SaveType.F32 => TensorType.F32,
        SaveType.F16 => TensorType.F16,
        SaveType.Bf16 => TensorType.BF16,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "No such type."),
    }));

    private sealed class NoLog : IRunLog
    {
        public RunLogLength Length => default;

        public IReadOnlyList<MetricRow> Rows => [];

        public void Write(StepReport report)
        {
        }

        public void FlushToDisk()
        {
        }

        public void Dispose()
        {
        }
    }

    private static void Publish(string target, Action<string> write)
    {
        var temporary = target + ".tmp";
        try
        {
            if (Directory.Exists(temporary))
            {
                Directory.Delete(temporary, recursive: true);
            }

            Directory.CreateDirectory(temporary);
            write(temporary);
            if (Directory.Exists(target))
            {
                Directory.Delete(target, recursive: true);
            }

            Directory.Move(temporary, target);
        }
        catch
        {
            if (Directory.Exists(temporary))
            {
                Directory.Delete(temporary, recursive: true);
            }

            throw;
        }
    }
}
