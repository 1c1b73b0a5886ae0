namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa compare</c>: two policies on the same texts and seeds.</summary>
internal static class CompareCommand
{
    private sealed record Request(
        string Before, string After, string Data, int Limit, int Clips, string Out, bool Sounds, string? Names, EvaluationOptions How, GrpoOptions Options);

    public static Command Create()
    {
        ModelArguments models = new();
        SpeakingArguments speaking = new();
        Argument<string> before = new("before") { Description = "Directory of a policy or a run." };
        Argument<string> after = new("after") { Description = "Directory of another policy or run." };
        Option<string> data = new("--data") { Description = "Texts (.txt, .jsonl, .csv, .parquet, or a directory of them); default: the test sentences that come with the program." };
        Option<int> limit = new("--limit") { Description = "Use only the first so many texts; 0 = all." };
        Option<int> clips = new("--clips") { Description = "Texts to listen to on the page.", DefaultValueFactory = _ => 12 };
        Option<string> output = new("--out") { Description = "Directory of the page, the chart and the numbers.", DefaultValueFactory = _ => Path.Combine("artifacts", "comparison") };
        Option<bool> sounds = new("--sounds") { Description = "Write the sound of every sample as a WAV file, too: sounds-before/I-J.wav and sounds-after/I-J.wav for sample J of text I." };
        Option<string> names = new("--names") { Description = "What the two are called, separated by a comma; default: their directories' names." };
        Option<string?> voices = new("--voices") { Description = "Folder of sounds, or file of `llasa encode`: each text is said in one of these voices, drawn by --seed (data.voices)." };
        Command command = new("compare", "Compare two policies: errors, reward, pace, pauses and pitch, with intervals, a chart and a page to listen to.");
        command.Takes([before, after, data, limit, clips, output, sounds, names, voices, models.Codec, models.Recogniser, models.SecondEar,
            models.PolicyType, models.ScoringType, .. speaking.All]);
        return command.DoesTogether((parsed, ranks) =>
        {
            if (parsed.GetValue(limit) < 0 || parsed.GetValue(clips) < 0)
            {
                throw new UsageException("--limit and --clips must be at least 0");
            }

            var judging = models.ReadAll(parsed, speaking.Judging(parsed));
            var options = judging with { Data = judging.Data with { Voices = parsed.GetValue(voices) ?? judging.Data.Voices } };
            return Run(new Request(
                parsed.GetValue(before)!, parsed.GetValue(after)!, parsed.GetValue(data) ?? "", parsed.GetValue(limit), parsed.GetValue(clips), parsed.GetValue(output)!,
                parsed.GetValue(sounds), parsed.GetValue(names), speaking.Read(parsed, 1) with { Prosody = true }, options), ranks);
        });
    }

    private static int Run(Request request, RankSession ranks)
    {
        var (first, second) = (PolicyLocation.Find(request.Before), PolicyLocation.Find(request.After));
        var (before, after) = Names(request);
        if (request.Options.RewardServer.Urls.Count > 0)
        {
            throw new UsageException("compare listens in this process: it needs the sounds themselves; leave reward_server.servers empty");
        }

        var prompts = TrainingData.Read(request.Data, DataSplit.Test, request.Options.Data).Take(request.Limit);
        TrainingData.WarnOfLanguage(prompts, request.Options.Scoring);
        using var secondEar = Recognitions.LoadSecondEar(request.Options);
        using StopSignal stop = new(atOnce: true);
        var voices = Voices.Read(request.Options, prompts.Voices);
        var resultBefore = Evaluate(request, first, before, "before", prompts, voices, secondEar, ranks, stop.Abort);
        var resultAfter = Evaluate(request, second, after, "after", prompts, voices, secondEar, ranks, stop.Abort);
        if (!ranks.Leads)
        {
            return 0;
        }

        ComparisonReport report = new(
            before, after, resultBefore.Samples.Count / resultBefore.SamplesPerText, resultBefore.SamplesPerText, request.How.Seed, resultBefore.Second?.Name,
            Comparison.Compare(resultBefore, resultAfter, Seeds.Bootstrap(request.How.Seed)),
            DemoPair.First(request.Clips, resultBefore, resultAfter, WaveFile.Encode));
        Write(request.Out, report, resultBefore, resultAfter);
        Print(report);
        Console.WriteLine(Path.Combine(request.Out, "index.html"));
        return 0;
    }

    private static (string Before, string After) Names(Request request)
    {
        if (request.Names is null)
        {
            return PolicyLocation.Name(request.Before, request.After);
        }

        return request.Names.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) is [var before, var after] && before != after
            ? (before, after)
            : throw new UsageException($"--names: `{request.Names}` is not two different names, separated by a comma");
    }

    private static EvaluationResult Evaluate(
        Request request, string policy, string name, string which, PromptSet prompts, Voices voices, SecondEar? secondEar, RankSession ranks, CancellationToken abort)
    {
        var options = request.Options with { Models = request.Options.Models with { Policy = policy } };
        using var models = NativeEngine.Load(options.Models, options.Prompt, options.ToScoring(), frozen: true);
        var texts = TrainingData.Fitting(prompts, models, voices, request.How.Seed, request.How.MaxNewTokens, second: secondEar);
        var progress = Terminal.Progress(texts.Length, ranks);
        Action<int, SampleRecord>? keep = request.Sounds ? (i, sample) => WriteSound(Path.Combine(request.Out, $"sounds-{which}"), i, request.How.Samples, sample) : null;
        var result = new Evaluator(models, new SampleJudge(options.ToReward()), secondEar, ranks.World).Evaluate(
            texts, request.How, i => i < request.Clips, done => progress.Took(done, name), keep, abort);
        progress.Finish();
        return result;
    }

    private static void Write(string folder, ComparisonReport report, EvaluationResult before, EvaluationResult after)
    {
        var picture = ComparisonChart.Draw(report);
        AtomicFile.WriteText(Path.Combine(folder, "comparison.svg"), picture.ToSvg());
        AtomicFile.WriteBytes(Path.Combine(folder, "comparison.png"), picture.ToPng());
        AtomicFile.WriteBytes(Path.Combine(folder, "comparison.json"), ComparisonPage.ToJson(report));
        foreach (var (result, name) in new[] { (before, "samples-before.jsonl"), (after, "samples-after.jsonl") })
        {
            JsonLines.WriteFile(Path.Combine(folder, name), result.Samples.Select(sample => SampleJson.Of(sample)));
        }

        AtomicFile.WriteText(Path.Combine(folder, "index.html"), ComparisonPage.ToHtml(report));
    }

    private static void WriteSound(string folder, int index, int samples, SampleRecord sample)
    {
        Directory.CreateDirectory(folder);
        var name = string.Create(CultureInfo.InvariantCulture, $"{(index / samples) + 1}-{(index % samples) + 1}.wav");
        WaveFile.Write(Path.Combine(folder, name), sample.Sound ?? [], RecognisedSample.SampleRate);
    }

    private static void Print(ComparisonReport report)
    {
        var width = report.Measures.Max(m => m.Title.Length + m.Unit.Length + 2);
        var (first, second) = (Math.Max(9, report.Before.Length), Math.Max(9, report.After.Length));
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"{"".PadRight(width)}  {report.Before.PadLeft(first)}  {report.After.PadLeft(second)}     difference  95 % interval\n");
        foreach (var m in report.Measures)
        {
            var difference = m.Estimate.Difference;
            text.Append((m.Title + (m.Unit.Length > 0 ? ", " + m.Unit : "")).PadRight(width))
                .Append("  ").Append(ComparisonChart.Format(m, m.Estimate.Before.Value).PadLeft(first))
                .Append("  ").Append(ComparisonChart.Format(m, m.Estimate.After.Value).PadLeft(second))
                .Append("  ").Append(ComparisonChart.Format(m, difference.Value, sign: true).PadLeft(13))
                .Append("  ").Append(ComparisonChart.FormatInterval(m, difference)).Append('\n');
        }

        Console.Write(text);
    }
}
