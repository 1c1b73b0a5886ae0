namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa eval</c>: how well held-out texts are spoken.</summary>
internal static class EvalCommand
{
    public static Command Create()
    {
        ModelArguments models = new();
        SpeakingArguments speaking = new();
        Option<string> data = new("--data") { Description = "Texts (.txt, .jsonl, .csv, .parquet, or a directory of them); default: the test sentences that come with the program." };
        Option<bool> skip = new("--skip-faulty") { Description = "Leave out rows that hold no text or are too long, with a line each, instead of stopping." };
        Option<int> limit = new("--limit") { Description = "Use only the first so many texts; 0 = all." };
        Option<string> output = new("--out") { Description = "Write summary.json and samples.jsonl into this directory." };
        Option<string> sounds = new("--sounds") { Description = "Write the sound of each sample (of --best-of, of the best) into this directory, as NNNN.wav with what was heard in NNNN.txt; NNNN counts the texts." };
        Option<bool> bands = new("--bands") { Description = "Also print reward components that hold another policy to the pitch, pauses and speed of this one." };
        Option<string?> voices = new("--voices") { Description = "Folder of sounds, or file of `llasa encode`: each text is said in one of these voices, drawn by --seed (data.voices)." };
        Option<int> bestOf = new("--best-of") { Description = "Draw so many for each sample and measure the one with the best reward." };
        Command command = new("eval", "Measure CER, WER, NLL and reward on held-out texts.");
        command.Takes([data, skip, limit, output, sounds, bands, bestOf, voices, models.SecondEar, models.PolicyType, models.ScoringType,
            .. models.All, .. speaking.All]);
        return command.DoesTogether((parsed, ranks) =>
        {
            var how = speaking.Read(parsed, 1) with { Prosody = parsed.GetValue(bands) || parsed.GetValue(output) is not null };
            var best = parsed.GetValue(bestOf);
            if (best < 0)
            {
                throw new UsageException("--best-of must be at least 1");
            }

            how = how with { Samples = how.Samples * Math.Max(best, 1) };
            var judging = models.ReadAll(parsed, speaking.Judging(parsed));
            var rows = judging.Data with { FaultyRows = parsed.GetValue(skip) ? RowFaults.Skip : RowFaults.Refuse };
            var prompts = TrainingData.Read(parsed.GetValue(data) ?? "", DataSplit.Test, rows).Take(Math.Max(parsed.GetValue(limit), 0));
            TrainingData.WarnOfLanguage(prompts, judging.Scoring);
            judging = judging with { Data = judging.Data with { Voices = parsed.GetValue(voices) ?? judging.Data.Voices } };
            var prompting = Voices.Read(judging, prompts.Voices);
            using var loaded = Recognitions.Load(judging, training: false, frozen: true, CancellationToken.None);
            using var second = Recognitions.LoadSecondEar(judging);
            var texts = TrainingData.Fitting(prompts, loaded, prompting, how.Seed, how.MaxNewTokens, second: second);
            using StopSignal stop = new(atOnce: true);
            var progress = Terminal.Progress(texts.Length, ranks);
            var folder = parsed.GetValue(sounds);
            Action<int, SampleRecord>? keep = folder is null ? null : BestOf(Math.Max(best, 1), (i, sample) =>
                SoundFiles.Write(Path.Combine(folder, SoundName(i, how.Samples / Math.Max(best, 1))), sample, WaveFile.Encode));
            var result = new Evaluator(loaded, new SampleJudge(judging.ToReward()), second, ranks.World)
                .Evaluate(texts, how, null, done => progress.Took(done, "texts"), keep, stop.Abort);
            progress.Finish();
            result = best > 0 ? result.BestOf(best) : result;
            if (result.NotScored > judging.RewardServer.MaxNotScored * result.Samples.Count)
            {
                throw new RewardUnavailableException($"{result.NotScored} of {result.Samples.Count} samples could not be scored");
            }

            if (!ranks.Leads)
            {
                return 0;
            }

            Print(result);
            if (parsed.GetValue(bands))
            {
                Console.WriteLine($"bands      {string.Join("=0.2,", ProsodyBands.Of(result.Samples))}=0.2");
            }

            if (parsed.GetValue(output) is { } directory)
            {
                Write(directory, result, how, folder is not null);
            }

            return 0;
        });
    }

    /// <summary>Keeps of every so many samples in a row the one that <see cref="EvaluationResult.BestOf"/> chooses: a better one takes the place of what was kept.</summary>
    private static Action<int, SampleRecord> BestOf(int count, Action<int, SampleRecord> keep)
    {
        (int Place, SampleRecord? Sample) kept = (-1, null);
        return (i, sample) =>
        {
            if (kept.Place != i / count || ReferenceEquals(EvaluationResult.Best([kept.Sample!, sample]), sample))
            {
                kept = (i / count, sample with { Sound = null });
                keep(kept.Place, sample);
            }
        };
    }

    /// <summary>Of a sample's files, without extension: the text's number from 1 on, and the sample's where there are several.</summary>
    private static string SoundName(int index, int samples) => samples == 1
        ? string.Create(CultureInfo.InvariantCulture, $"{index + 1:D4}")
        : string.Create(CultureInfo.InvariantCulture, $"{(index / samples) + 1:D4}-{(index % samples) + 1}");

    private static void Print(EvaluationResult result)
    {
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"CER        {result.Cer:F4}\nWER        {result.Wer:F4}\nNLL        {result.Nll:F4}\n")
            .Append(CultureInfo.InvariantCulture, $"reward     {result.Reward:F4}\nexact      {result.Exact:P1}\nsamples    {result.Samples.Count}\n")
            .Append(CultureInfo.InvariantCulture, $"not ended  {result.NotEnded}\n");
        if (result.NotScored > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"not scored {result.NotScored}\n");
        }

        if (result.BeyondWindow > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"too long   {result.BeyondWindow} (for the recogniser's window, which alone NLL is of)\n");
        }

        if (result.EndedEarly > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"cut short  {result.EndedEarly} (transcripts that recogniser.early_end ended)\n");
        }

        foreach (var (name, mean) in result.Parts)
        {
            text.Append(CultureInfo.InvariantCulture, $"  {name,-8} {mean:F4}\n");
        }

        foreach (var (reason, count) in result.Guarded)
        {
            text.Append(CultureInfo.InvariantCulture, $"refused    {count} ({reason})\n");
        }

        if (result.Second is { } heard)
        {
            text.Append(CultureInfo.InvariantCulture, $"second ear {heard.Name}, which rewards nothing\n  CER      {heard.Cer:F4}\n  WER      {heard.Wer:F4}\n")
                .Append(CultureInfo.InvariantCulture, $"  NLL      {heard.Nll:F4}\n  exact    {heard.Exact:P1}\n");
        }

        text.Append(CultureInfo.InvariantCulture, $"audio      {result.AudioSeconds:F1} s in {result.Seconds:F1} s\n");
        Console.Write(text);
    }

    private static void Write(string directory, EvaluationResult result, EvaluationOptions how, bool sounds)
    {
        JsonLines.WriteFile(
            Path.Combine(directory, "samples.jsonl"),
            result.Samples.Select((sample, i) => SampleJson.Of(sample, sound: sounds ? SoundName(i, result.SamplesPerText) + ".wav" : null)));
        AtomicFile.WriteBytes(Path.Combine(directory, "summary.json"), JsonWriting.ToFile(new
        {
            result.Cer,
            result.Wer,
            result.Nll,
            result.Reward,
            result.Exact,
            Samples = result.Samples.Count,
            result.SamplesPerText,
            result.NotEnded,
            result.BeyondWindow,
            Refused = result.Guarded,
            Parts = result.Parts.ToDictionary(p => p.Name, p => p.Mean),
            SecondEar = result.Second is { } heard ? new { heard.Name, heard.Cer, heard.Wer, heard.Nll, heard.Exact } : null,
            how.Seed,
            how.Temperature,
            how.TopP,
        }));
    }
}
