using System.Globalization;
using LlasaNative.Audio;
using LlasaNative.Engine;
using LlasaNative.Models;
using LlasaNative.Reporting;
using LlasaNative.Training;
using LlasaNative.Weights;

namespace LlasaNative.Trainer.Commands;

/// <summary>What happens after the last step: the policy is exported, or the interruption reported.</summary>
internal static class TrainingEnd
{
    public static int Report(RunOutcome outcome, PolicyModel policy, RunOptions run, IWorld world)
    {
        if (world.Rank > 0)
        {
            return outcome.Stopped && !outcome.Completed ? CommandLine.Interrupted : 0;
        }

        if (outcome.Stopped && !outcome.Completed)
        {
            Console.Error.WriteLine($"llasa: interrupted after step {outcome.Step}; saved {outcome.Checkpoint}");
            return CommandLine.Interrupted;
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

    /// <summary>Where a run's states are kept.</summary>
    public static IRunCheckpoints Checkpoints(RunOptions run, IPolicy policy, IWorld world)
    {
        RunCheckpoints checkpoints = new(Path.Combine(run.Out, "checkpoints"), run.Keep, (PolicyModel)policy);
        return world.Size == 1 ? checkpoints : new SharedCheckpoints(checkpoints, world);
    }

    /// <summary>Where a run's results are kept: by the first rank, which has all of them.</summary>
    public static IRunLog OpenLog(RunOptions run, RunState? state, IWorld world) => world.Rank == 0 ? new RunFiles(run, state, WaveFile.Encode) : new NoLog();

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
