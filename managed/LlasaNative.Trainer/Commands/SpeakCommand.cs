namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa speak</c>: text to WAV.</summary>
internal static class SpeakCommand
{
    public static Command Create()
    {
        ModelArguments models = new();
        SpeakingArguments speaking = new();
        Argument<string> text = new("text") { Description = "What to say." };
        Option<string> output = new("--out") { Description = "WAV file; several samples get -1, -2, … before the extension.", DefaultValueFactory = _ => "speech.wav" };
        Option<bool> codes = new("--codes") { Description = "Also write the speech codes, as text beside each WAV." };
        Option<string?> voice = new("--voice") { Description = "Sound file whose voice goes on: its codes begin the speech, and are cut from what is written." };
        Option<string?> said = new("--voice-text") { Description = "What is said in it; default: what the recogniser hears." };
        Option<int> bestOf = new("--best-of") { Description = "Draw so many for each sample and keep the one with the best reward: the recogniser listens." };
        Command command = new("speak", "Turn a text into speech.");
        command.Takes([text, output, codes, voice, said, bestOf, models.Policy, models.Codec, models.Recogniser, models.PolicyType,
            models.ScoringType, .. speaking.All]);
        return command.Does(parsed =>
        {
            var options = speaking.Judging(parsed);
            var reference = parsed.GetValue(voice) is { } path ? new VoiceReference(path, parsed.GetValue(said)?.Trim()) : null;
            return reference is null && parsed.GetValue(said) is not null ? throw new UsageException("--voice-text says what is said in --voice, which is not given")
                : reference?.Text is "" ? throw new UsageException("--voice-text is empty")
                : parsed.GetValue(bestOf) < 0 ? throw new UsageException("--best-of must be at least 1")
                : Run(parsed.GetValue(text)!, parsed.GetValue(output)!, parsed.GetValue(codes), speaking.Read(parsed, 1), options with { Models = models.Read(parsed, options.Models) }, reference, parsed.GetValue(bestOf));
        });
    }

    private static int Run(string text, string output, bool writeCodes, EvaluationOptions how, GrpoOptions options, VoiceReference? reference, int bestOf)
    {
        var voice = Voices.Read(reference, options.Models, options.ToScoring());
        using StopSignal stop = new(atOnce: true);
        PhaseTimer timer = new();
        var (spoken, rate) = bestOf > 0 ? Choose(text, voice, how, options, bestOf, timer, stop.Abort) : Draw(text, voice, how, options, timer, stop.Abort);
        double total = 0;
        for (var i = 0; i < spoken.Count; i++)
        {
            var path = Number(output, i, spoken.Count);
            WaveFile.Write(path, spoken[i].Wave, rate);
            if (writeCodes)
            {
                AtomicFile.WriteText(Path.ChangeExtension(path, ".codes.txt"), string.Join(' ', spoken[i].Codes.Select(c => c.ToString(CultureInfo.InvariantCulture))) + "\n");
            }

            var seconds = (double)spoken[i].Wave.Length / rate;
            total += seconds;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{path}  {seconds:F2} s{(spoken[i].Ended ? "" : ", cut off at --max-new-tokens")}{spoken[i].Note}"));
        }

        if (voice is not null && reference!.Text is null)
        {
            Console.WriteLine($"heard in {reference.Path}: {voice.Text}");
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{total:F2} s of speech in {timer.Total:F2} s: real-time factor {timer.Total / Math.Max(total, 1e-9):F3}")
            + (bestOf > 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" (tokens {timer["rollout"]:F2} s, sound {timer["vocode"]:F2} s)")));
        return 0;
    }

    private static (IReadOnlyList<Spoken> Spoken, int Rate) Draw(string text, Utterance? voice, EvaluationOptions how, GrpoOptions options, PhaseTimer timer, CancellationToken abort)
    {
        var models = options.Models;
        using var policy = PolicyModel.Load(models.Policy, options.Prompt, models.PolicyType, frozen: true);
        using var codec = SpeechCodec.Load(models.Codec, type: models.ScoringType);
        SamplingSettings sampling = new()
        {
            Temperature = how.Temperature, TopK = how.TopK, TopP = how.TopP, MaxNewTokens = how.MaxNewTokens, Seed = Seeds.Evaluation(how.Seed),
        };
        EncodedText encoded = new(text, policy.EncodePrompt(text, how.MaxNewTokens, 0, voice)) { Voice = voice };
        using SpokenBatch batch = new(policy, null, new SpeakRequest([encoded], how.Samples, sampling, 0) { Slots = Math.Min(how.Samples, 64) }, timer, abort);
        batch.TakeTokens();
        batch.Sample();
        batch.ReadCodes();
        int[] before = [.. voice?.Codes ?? []];
        using var waves = timer.Measure("vocode", () => new CutSounds(
            codec.Decode([.. batch.Codes.Select(own => (int[])[.. before, .. own])]), [.. batch.Codes.Select(_ => before.Length * codec.SamplesPerCode)]));
        return ([.. batch.Codes.Select((own, i) => new Spoken(waves[i].ToArray(), own, batch.Samples[i].Ended, ""))], codec.SampleRate);
    }

    /// <summary>The best of so many for each sample, as the recogniser hears them: the first are those that would be drawn without it.</summary>
    private static (IReadOnlyList<Spoken> Spoken, int Rate) Choose(string text, Utterance? voice, EvaluationOptions how, GrpoOptions options, int bestOf, PhaseTimer timer, CancellationToken abort)
    {
        using var loaded = Recognitions.Load(options, training: false, frozen: true, abort);
        var drawn = timer.Measure("choose", () => new Evaluator(loaded, new SampleJudge(options.ToReward()))
            .Evaluate([loaded.Encode(text, how.MaxNewTokens, 0, voice)], how with { Samples = how.Samples * bestOf }, _ => true, cancellation: abort));
        return ([.. drawn.Samples.Chunk(bestOf).Select(group =>
        {
            var best = EvaluationResult.Best(group);
            var note = string.Create(CultureInfo.InvariantCulture, $"  reward {best.Judgement.Reward:F3}, CER {best.Judgement.Cer:F3}, the best of {bestOf} of {group.Average(s => s.Judgement.Reward):F3} on average; heard: {best.Transcript}");
            return best.Judgement.Scored && best.Sound is { } sound ? new Spoken(sound, best.Codes, best.Ended, note) : throw new RewardUnavailableException($"none of {bestOf} samples could be listened to");
        })], RecognisedSample.SampleRate);
    }

    private static string Number(string path, int index, int count) => count == 1
        ? path
        : Path.Combine(Path.GetDirectoryName(path) ?? "", string.Create(CultureInfo.InvariantCulture, $"{Path.GetFileNameWithoutExtension(path)}-{index + 1}{Path.GetExtension(path)}"));

    /// <summary>What is written of a sample.</summary>
    private sealed record Spoken(float[] Wave, IReadOnlyList<int> Codes, bool Ended, string Note);
}
