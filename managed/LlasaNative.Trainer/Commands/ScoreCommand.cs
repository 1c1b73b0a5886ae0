namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa score</c>: how well a sound or a list of codes says a text.</summary>
internal static class ScoreCommand
{
    public static Command Create()
    {
        ModelArguments models = new();
        Argument<string> text = new("text") { Description = "What should be said." };
        Option<string> wave = new("--wav") { Description = "WAV file of any rate; it is resampled to 16 kHz mono." };
        Option<string> codes = new("--codes") { Description = "Text file of speech codes, as written by speak --codes." };
        Option<string> config = new("--config") { Description = "YAML file whose sections recogniser and reward are used." };
        Option<string[]> set = new("--set") { Description = "key=value of those sections; may be repeated." };
        Command command = new("score", "Judge a sound: CER, NLL, reward and transcript.");
        command.Takes([text, wave, codes, models.Codec, models.Recogniser, models.ScoringType, config, set]);
        return command.Does(parsed =>
        {
            var options = OptionTree.Build<GrpoOptions>(OptionAssignment.Read(parsed.GetValue(config), parsed.GetValue(set)));
            return Run(parsed.GetValue(text)!, parsed.GetValue(wave), parsed.GetValue(codes), models.Read(parsed, options.Models), options);
        });
    }

    private static int Run(string text, string? wavePath, string? codesPath, ModelOptions models, GrpoOptions options)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            throw new UsageException("the text is empty");
        }

        if (wavePath is null == codesPath is null)
        {
            throw new UsageException("name either --wav or --codes");
        }

        using var waves = wavePath is not null ? ReadWave(wavePath) : ReadCodes(codesPath!, models);
        using var recogniser = RecogniserEngines.Load(models.Recogniser, options.ToScoring(), models.ScoringType);
        var scores = recogniser.Score(waves, [text], CancellationToken.None);
        var judge = new SampleJudge(options.ToReward());
        var recognised = RecognisedSample.Of(scores[0], waves[0], waves.SampleRate, judge.WantsSound);
        var prosody = Prosody.Measure(waves[0], waves.SampleRate, new PitchTracker());
        var judged = judge.Judge([text], [true], [null], [recognised with { Prosody = prosody }])[0];
        Console.Write(string.Create(CultureInfo.InvariantCulture,
            $"CER         {judged.Cer:F4}\nNLL         {judged.Nll:F4}\nreward      {judged.Reward:F4}\n"));
        Console.Write(string.Create(CultureInfo.InvariantCulture, $"pitch       {prosody.F0Mean:F1} Hz, spread {prosody.F0Semitones:F2} semitones\npace        {prosody.Rate(judged.Characters):F2} characters/s\n"));
        if (judged.BeyondWindow)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"too long    {waves.TotalSeconds:F2} s: NLL is of the recogniser's window alone, the first {(double)recogniser.WindowSamples / RecognisedSample.SampleRate:F2} s"));
        }

        if (judged.EndedEarly)
        {
            Console.WriteLine("cut short   the transcript, by recogniser.early_end");
        }

        Console.WriteLine(judged.Guard.Length > 0 ? $"refused     {judged.Guard}\ntranscript  {scores[0].Transcript}" : $"transcript  {scores[0].Transcript}");
        return 0;
    }

    private static WaveBatch ReadWave(string path)
    {
        var wave = Resampler.Resample(WaveFile.Read(path, Places.Note), RecognisedSample.SampleRate);
        return new WaveBatch(wave.Samples.Span, RecognisedSample.SampleRate);
    }

    private static WaveBatch ReadCodes(string path, ModelOptions models)
    {
        int[] codes;
        try
        {
            codes = [.. File.ReadAllText(path).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Select(word =>
                int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var code) ? code
                : throw new ModelFileException(path, null, $"`{word}` is not a speech code"))];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ModelFileException(path, null, $"cannot be read: {e.Message}", e);
        }

        using var codec = SpeechCodec.Load(models.Codec, type: models.ScoringType);
        codec.CheckCodes(codes, path);
        return codec.Decode([codes]);
    }
}
