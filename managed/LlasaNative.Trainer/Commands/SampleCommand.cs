namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa sample</c>: drawn samples with their codes and how they were judged, all of them or the best of each text.</summary>
internal static class SampleCommand
{
    public static Command Create()
    {
        ModelArguments models = new();
        SpeakingArguments speaking = new();
        Option<string> data = new("--data") { Description = "Texts (.txt, .jsonl, .csv, .parquet, or a directory of them); default: the training sentences that come with the program." };
        Option<int> limit = new("--limit") { Description = "Use only the first so many texts; 0 = all." };
        Option<string> output = new("--out") { Description = "Parquet file of texts with codes, as `llasa sft` and `llasa pair` read it.", DefaultValueFactory = _ => "samples.parquet" };
        Option<int> bestOf = new("--best-of") { Description = "Draw so many of each text and keep the one with the best reward; in place of --samples." };
        Option<double?> least = new("--min-reward") { Description = "Leave out samples with a smaller reward." };
        Option<string?> name = new("--name") { Description = "What the policy is called in the file; default: the name of its directory." };
        Command command = new("sample", "Draw samples of texts and keep their codes, all or the best of each text: what pairs and corpora are made of.");
        command.Takes([data, limit, output, bestOf, least, name, models.PolicyType, models.ScoringType, .. models.All, .. speaking.All]);
        return command.Does(parsed =>
        {
            var best = parsed.GetValue(bestOf);
            var how = speaking.Read(parsed, 1) with { Prosody = true };
            if (best < 0 || (best > 0 && how.Samples > 1))
            {
                throw new UsageException(best < 0 ? "--best-of must be at least 1" : "--best-of draws as many samples as it says: give it or --samples");
            }

            how = best > 0 ? how with { Samples = best } : how;
            var judging = models.ReadAll(parsed, speaking.Judging(parsed));
            var samples = Draw(parsed.GetValue(data) ?? "", parsed.GetValue(limit), judging, how, best, parsed.GetValue(name) ?? PolicyLocation.Name(judging.Models.Policy), out var drawn);
            var kept = samples.Where(s => parsed.GetValue(least) is not { } reward || s.Reward >= reward).ToArray();
            if (kept.Length == 0)
            {
                throw new LlasaException(parsed.GetValue(least) is { } reward
                    ? string.Create(CultureInfo.InvariantCulture, $"none of {drawn.Samples.Count} samples has a reward of {reward} or more") : "no sample could be listened to");
            }

            var path = parsed.GetValue(output)!;
            if (Path.GetDirectoryName(path) is { Length: > 0 } folder)
            {
                Directory.CreateDirectory(folder);
            }

            SampleFile.Write(path, kept);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{path}  {kept.Length} of {drawn.Samples.Count} samples  reward {kept.Average(s => s.Reward):F3}  CER {kept.Average(s => s.Cer):F3}, of all drawn {drawn.Reward:F3} and {drawn.Cer:F3}; ")
                + string.Create(CultureInfo.InvariantCulture, $"pitch {kept.Select(s => s.F0Semitones).FiniteMean():F2} semitones, pace {kept.Select(s => s.Rate).FiniteMean():F1} characters/s, ")
                + string.Create(CultureInfo.InvariantCulture, $"{kept.Select(s => string.Join(',', s.Codes)).Distinct().Count()} different"));
            return 0;
        });
    }

    /// <summary>The samples that could be listened to, all or the best of each text; <paramref name="result"/> is of all that were drawn.</summary>
    private static SampledSpeech[] Draw(string data, int limit, GrpoOptions judging, EvaluationOptions how, int best, string name, out EvaluationResult result)
    {
        var prompts = TrainingData.Read(data, DataSplit.Train, judging.Data).Take(Math.Max(limit, 0));
        TrainingData.WarnOfLanguage(prompts, judging.Scoring);
        var voices = Voices.Read(judging, prompts.Voices);
        using var loaded = Recognitions.Load(judging, training: false, frozen: true, CancellationToken.None);
        loaded.Recognition.Announce(prompts.Texts);
        var texts = prompts.Fitting((text, named) => (Encoded: loaded.Encode(text, how.MaxNewTokens, judging.Data.MaxPromptTokens, voices.Of(named)), Named: named));
        using StopSignal stop = new(atOnce: true);
        var progress = Terminal.Progress(texts.Length);
        result = new Evaluator(loaded, new SampleJudge(judging.ToReward()))
            .Evaluate([.. texts.Select(t => t.Encoded)], how, null, done => progress.Took(done, "texts"), null, stop.Abort);
        progress.Finish();
        if (result.NotScored > judging.RewardServer.MaxNotScored * result.Samples.Count)
        {
            throw new RewardUnavailableException($"{result.NotScored} of {result.Samples.Count} samples could not be scored");
        }

        var chosen = best > 0 ? result.BestOf(best) : result;
        return [.. chosen.Samples.Select((s, i) => (Sample: s, texts[i / chosen.SamplesPerText].Named)).Where(s => s.Sample.Judgement.Scored).Select(s => new SampledSpeech(s.Sample.Text, s.Sample.Codes)
        {
            Policy = name,
            Voice = s.Named,
            Transcript = s.Sample.Transcript,
            Reward = s.Sample.Judgement.Reward,
            Cer = s.Sample.Judgement.Cer,
            Nll = s.Sample.Judgement.Nll,
            Ended = s.Sample.Ended,
            F0Semitones = s.Sample.Prosody?.F0Semitones ?? double.NaN,
            Rate = s.Sample.Prosody?.Rate(s.Sample.Judgement.Characters) ?? double.NaN,
        })];
    }
}
