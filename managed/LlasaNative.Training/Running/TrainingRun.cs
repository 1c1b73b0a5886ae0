namespace LlasaNative.Training;

/// <summary>Takes a training loop through its steps: resuming, metrics, samples, checkpoints, stopping.</summary>
/// <remarks>
/// A run that is killed at any moment and resumed ends with the same weights as one that was not: a step is a pure function
/// of its number, the options, and the weights and moments that a checkpoint holds exactly.
/// </remarks>
public static class TrainingRun
{
    /// <summary>Runs until the last step, a stop signal, the time limit or a bound; then saves.</summary>
    /// <param name="loop">How to train.</param>
    /// <param name="settings">How long, and what is written where.</param>
    /// <exception cref="OperationCanceledException">A second stop signal; nothing is saved.</exception>
    /// <exception cref="LlasaException">The checkpoint to resume does not fit, or a file cannot be written.</exception>
    public static RunOutcome Execute(ITrainingLoop loop, RunSettings settings)
    {
        ArgumentNullException.ThrowIfNull(loop);
        ArgumentNullException.ThrowIfNull(settings);
        var run = settings.Run;
        PhaseTimer timer = new();
        var (state, checkpoint) = Resume(settings);
        if (state is not null)
        {
            timer.Measure("resume", () => settings.Checkpoints.Restore(checkpoint!, loop));
            loop.Trainer.StepCount = state.OptimiserStep;
            loop.DataPosition = state.DataPosition;
            settings.Progress.Note($"resumed after step {state.Step} from {checkpoint}");
        }

        // Before anything is removed: another process may be writing here.
        using var log = settings.OpenLog(state);
        settings.Checkpoints.BeginAfter(state);
        foreach (var row in settings.Watch is null ? [] : log.Rows)
        {
            settings.Watch!.Recall(row);
        }

        var abort = settings.Stop?.Abort ?? CancellationToken.None;
        var step = state?.Step ?? 0;
        var saved = step;
        var best = state?.Best;
        var reason = settings.Watch?.Reason();   // a run that its bounds ended is not gone on with
        var stopped = false;
        bool Asked() => stopped = settings.World.Any(settings.Stop?.StopRequested == true);
        // The first rank alone has the rows of the steps before a resumed run's.
        bool IsOut() => settings.Watch is not null && settings.World.Any(settings.World.Rank == 0 && reason is not null);
        while (step < run.Steps && !IsOut() && !Asked() && !settings.World.Any(TimeIsUp(run, timer)))
        {
            step++;
            var number = step;
            StepReport report;
            try
            {
                report = timer.Measure("steps", () => loop.TakeStep(number, IsDue(run.SamplesEvery, number, run.Steps), abort));
            }
            catch (RewardUnavailableException e)
            {
                // The step gave up before it changed anything: what is saved is the end of the one before.
                step--;
                checkpoint = saved != step || checkpoint is null ? Save() : checkpoint;
                settings.Progress.Finish();
                throw new RewardUnavailableException($"{e.Message}; saved {checkpoint} after step {step}, from which --resume auto goes on", e);
            }

            if (settings.Evaluate is { } evaluate && IsDue(run.EvaluateEvery, number, run.Steps))
            {
                timer.Measure("evaluate", () => evaluate(report.Metrics));
            }

            var isBest = settings.Lowest is { } lowest && report.Metrics[lowest] is var value && double.IsFinite(value) && !(value >= best?.Value);
            best = isBest ? (step, report.Metrics[settings.Lowest!]) : best;

            reason = settings.Watch?.Take(report.Metrics);
            timer.Measure("write", () => log.Write(report));
            settings.Progress.Took(step, report.Summary);
            if (isBest || (run.SaveEvery > 0 && step % run.SaveEvery == 0))
            {
                checkpoint = timer.Measure("save", Save);
            }

            settings.OnStep?.Invoke(report);
        }

        if (saved != step || checkpoint is null)
        {
            checkpoint = timer.Measure("save", Save);
        }

        settings.Progress.Finish();
        return new RunOutcome(step, step >= run.Steps, timer["steps"], checkpoint, stopped) { Reason = reason, Best = best };

        string Save()
        {
            saved = step;
            log.FlushToDisk();
            return settings.Checkpoints.Save(new RunState(
                Step: step,
                OptimiserStep: loop.Trainer.StepCount,
                DataPosition: loop.DataPosition,
                Best: best,
                Log: log.Length,
                Options: OptionTree.Values(settings.Options),
                WorkingDirectory: Environment.CurrentDirectory,
                DataFingerprint: settings.DataFingerprint), loop);
        }
    }

    private static bool IsDue(int every, long step, long last) => every > 0 && (step % every == 0 || step == last);

    private static bool TimeIsUp(RunOptions run, PhaseTimer timer) => run.TimeLimitMinutes > 0 && timer.Total >= run.TimeLimitMinutes * 60;

    private static (RunState? State, string? Path) Resume(RunSettings settings)
    {
        if (settings.Resume == "never")
        {
            return (null, null);
        }

        var found = settings.Checkpoints.Find(
            settings.Resume == "auto" ? null : settings.Resume, (skipped, reason) => settings.Progress.Note($"{skipped}: {reason}; passed over"));
        if (found is not (var path, var state))
        {
            return (null, null);
        }

        List<string> differences = [.. ResumedOptions.Differences(settings.Options, state.Options, state.WorkingDirectory)];
        if (ResumedOptions.DataDifference(state.DataFingerprint, settings.DataFingerprint) is { } other)
        {
            differences.Add(other);
        }

        return differences.Count == 0
            ? (state, path)
            : throw new UsageException($"{path}: cannot be resumed with other options: {string.Join(", ", differences)}; use --resume never or another run.out");
    }
}
