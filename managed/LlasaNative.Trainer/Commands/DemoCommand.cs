namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa demo</c>: held-out CER before and after a short GRPO run, as a page to look at and listen to.</summary>
internal static class DemoCommand
{
    public static Command Create()
    {
        ModelArguments models = new();
        Option<long> seed = new("--seed") { Description = "Seed of training and evaluation.", DefaultValueFactory = _ => 1 };
        Option<string> output = new("--out") { Description = "Directory of the page.", DefaultValueFactory = _ => Path.Combine("artifacts", "demo") };
        Option<string> sentences = new("--sentences") { Description = "Held-out texts; default: the test sentences that come with the program." };
        Option<int> limit = new("--limit") { Description = "Use only the first so many held-out texts; 0 = all." };
        Option<int> samples = new("--samples") { Description = "Samples of each held-out text.", DefaultValueFactory = _ => 8 };
        Option<int> clips = new("--clips") { Description = "Sentences to listen to on the page.", DefaultValueFactory = _ => 12 };
        Option<int?> steps = new("--steps") { Description = "A short look: so many training steps; the page says that it was one." };
        Option<double?> minutes = new("--minutes") { Description = "A short look: end the training after so many minutes; the page says that it was one." };
        Option<string?> engine = new("--engine") { Description = "What trains the policy: native, or torch where it is installed (trainer.engine)." };
        Option<string[]> set = new("--set") { Description = "key=value over the demo's settings (configs/demo.yaml); may be repeated." };
        Command command = new("demo", "Train the tiny policy for a few minutes and show what it learned.");
        command.Takes([seed, output, sentences, limit, samples, clips, steps, minutes, engine, set, .. models.All, models.SecondEar]);
        return command.Does(parsed =>
        {
            List<OptionAssignment> assignments = [.. OptionFile.Parse(EmbeddedText.Read(typeof(DemoCommand).Assembly, "LlasaNative.Trainer.demo.yaml"), "configs/demo.yaml")];
            var folder = parsed.GetValue(output)!;
            assignments.Add(new OptionAssignment("run.seed", parsed.GetValue(seed).ToString(CultureInfo.InvariantCulture), "--seed"));
            assignments.Add(new OptionAssignment("run.out", Path.Combine(folder, "run"), "--out"));
            if (parsed.GetValue(steps) is < 1 || parsed.GetValue(minutes) is not null and not (> 0 and < double.PositiveInfinity))
            {
                throw new UsageException("--steps must be at least 1, --minutes a number above 0");
            }

            var full = OptionTree.Build<GrpoOptions>(assignments).Run;
            if (parsed.GetValue(steps) is { } count)
            {
                assignments.Add(new OptionAssignment("run.steps", count.ToString(CultureInfo.InvariantCulture), "--steps"));
            }

            if (parsed.GetValue(minutes) is { } time)
            {
                assignments.Add(new OptionAssignment("run.time_limit_minutes", time.ToString(CultureInfo.InvariantCulture), "--minutes"));
            }

            if (parsed.GetValue(engine) is { } name)
            {
                assignments.Add(new OptionAssignment("trainer.engine", name, "--engine"));
            }

            assignments.AddRange(OptionAssignment.Read(null, parsed.GetValue(set)));
            var options = models.ReadAll(parsed, OptionTree.Build<GrpoOptions>(assignments));
            if (parsed.GetValue(samples) < 1 || parsed.GetValue(clips) < 0 || parsed.GetValue(limit) < 0)
            {
                throw new UsageException("--samples must be at least 1, --clips and --limit at least 0");
            }

            var heldOut = TrainingData.Read(parsed.GetValue(sentences) ?? "", DataSplit.Test, options.Data).Take(parsed.GetValue(limit));
            return Run(options, heldOut, parsed.GetValue(samples), parsed.GetValue(clips), full.Steps, folder);
        });
    }

    private static int Run(GrpoOptions options, PromptSet heldOut, int samples, int clips, long fullSteps, string folder)
    {
        var timer = PhaseTimer.Since(Environment.GetEnvironmentVariable("LLASA_BUILD_STARTED"));   // set by build.sh
        var training = TrainingData.ReadTraining(options.Data);
        using var models = NativeEngine.Load(options.Models, options.Prompt, options.ToScoring());
        using var second = Recognitions.LoadSecondEar(options);
        using var loop = NativeEngine.CreateLoop(options, models, TrainingData.FittingForTraining(training, options, models, Voices.None));
        using StopSignal stop = new(text => Console.Error.WriteLine(text));
        EvaluationOptions how = new() { Samples = samples, Seed = options.Run.Seed, MaxNewTokens = options.Rollout.MaxNewTokens };
        var texts = TrainingData.Fitting(heldOut, models, Voices.None, how.Seed, how.MaxNewTokens, second: second);
        Evaluator evaluator = new(models, new SampleJudge(options.ToReward()), second);
        var before = Measure(evaluator, texts, how, clips, "before", stop);
        List<StepReport> reports = [];
        var progress = Terminal.Progress(options.Run.Steps);
        var outcome = TrainingRun.Execute(loop, new RunSettings(
            Run: options.Run,
            Options: options,
            Resume: "never",
            Checkpoints: new RunCheckpoints(Path.Combine(options.Run.Out, "checkpoints"), options.Run.Keep, (PolicyModel)models.Policy),
            OpenLog: state => new RunFiles(options.Run, state, WaveFile.Encode),
            Progress: progress,
            Stop: stop,
            OnStep: report => reports.Add(report with { Samples = [] })));
        ThrowIfStopped(stop);
        TrainingEnd.Export((PolicyModel)loop.Policy, Path.Combine(folder, "policy"), options.Run.ExportType);
        var after = Measure(evaluator, texts, how, clips, "after ", stop);
        var (_, low, high) = PairedBootstrap.Difference(before.PerText(), after.PerText(), Seeds.Bootstrap(options.Run.Seed));
        DemoReport report = new(
            CerBefore: before.Cer,
            CerAfter: after.Cer,
            IntervalLow: low,
            IntervalHigh: high,
            Exact: (before.Exact, after.Exact),
            Reward: (before.Reward, after.Reward),
            SecondEar: Second(before, after, options.Run.Seed),
            Sentences: texts.Length,
            SamplesPerSentence: samples,
            Seed: options.Run.Seed,
            Steps: outcome.Step,
            FullSteps: fullSteps,
            SecondsTotal: timer.Total,
            SecondsTraining: outcome.Seconds,
            Device: Terminal.Describe(NativeDevice.GetInfo()),
            RewardCurve: [.. reports.Select(r => r.Metrics["reward/mean"])],
            CerCurve: [.. reports.Select(r => r.Metrics["reward/cer"])],
            // Directories by their last name only.
            Settings: [.. OptionTree.Entries(options).Select(e => KeyValuePair.Create(e.Key, e.Declared.IsPath ? Path.GetFileName(e.Value.TrimEnd('/')) : e.Value))],
            Pairs: DemoPair.First(clips, before, after, WaveFile.Encode));
        AtomicFile.WriteText(Path.Combine(folder, "index.html"), DemoPage.ToHtml(report));
        AtomicFile.WriteBytes(Path.Combine(folder, "summary.json"), DemoPage.ToJson(report));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"CER {report.CerBefore:F4} -> {report.CerAfter:F4} ({-report.RelativeReduction:+0.0%;-0.0%}), difference's 95 % interval {low:F4} to {high:F4}; ")
            + (report.SecondEar is { } ear ? string.Create(CultureInfo.InvariantCulture,
                $"second ear {ear.Name}: {ear.Cer.Before:F4} -> {ear.Cer.After:F4}, {ear.Difference.Low:F4} to {ear.Difference.High:F4}; ") : "")
            + string.Create(CultureInfo.InvariantCulture, $"{report.Steps} steps in {report.SecondsTraining:F0} s, {report.SecondsTotal:F0} s in all{(report.IsShort ? $"; a short run: {report.FullSteps} steps are the demo's" : "")}\n{Path.Combine(folder, "index.html")}"));
        if (!report.IsShort && report.CerAfter >= report.CerBefore)
        {
            throw new LlasaException("the character error rate did not fall");
        }

        return 0;
    }

    private static EvaluationResult Measure(Evaluator evaluator, EncodedText[] texts, EvaluationOptions how, int clips, string name, StopSignal stop)
    {
        var result = evaluator.Evaluate(texts, how, i => i < clips, cancellation: stop.Requested);
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{name}: CER {result.Cer:F4}, {result.Exact:P1} exact, reward {result.Reward:F3}, {(result.Second is { } heard ? $"second ear's CER {heard.Cer:F4}, " : "")}{result.Samples.Count} samples in {result.Seconds:F1} s"));
        return result;
    }

    private static void ThrowIfStopped(StopSignal stop)
    {
        if (stop.StopRequested)
        {
            throw new OperationCanceledException();
        }
    }

    private static DemoSecondEar? Second(EvaluationResult before, EvaluationResult after, long seed)
    {
        if ((before.Second, after.Second) is not ({ } was, { } heard))
        {
            return null;
        }

        var (difference, low, high) = PairedBootstrap.Difference(was.PerText(before.SamplesPerText), heard.PerText(after.SamplesPerText), Seeds.Bootstrap(seed));
        return new DemoSecondEar(heard.Name, (was.Cer, heard.Cer), (was.Exact, heard.Exact), new IntervalEstimate(difference, low, high));
    }
}
