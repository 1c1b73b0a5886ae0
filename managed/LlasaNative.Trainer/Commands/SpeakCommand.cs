using System.CommandLine;
using System.Globalization;
using LlasaNative.Audio;
using LlasaNative.Data;
using LlasaNative.Models;
using LlasaNative.Recognition;
using LlasaNative.Reporting;
using LlasaNative.Training;

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
        Command command = new("speak", "Turn a text into speech.");
        command.Arguments.Add(text);
        foreach (var option in new Option[] { output, codes, voice, said, models.Policy, models.Codec, models.Recogniser, models.PolicyType, models.ScoringType }.Concat(speaking.All))
        {
            command.Options.Add(option);
        }

        return command.Does(parsed =>
        {
            var options = speaking.Judging(parsed);
            var reference = parsed.GetValue(voice) is { } path ? new VoiceReference(path, parsed.GetValue(said)?.Trim()) : null;
            return reference is null && parsed.GetValue(said) is not null ? throw new UsageException("--voice-text says what is said in --voice, which is not given")
                : reference?.Text is "" ? throw new UsageException("--voice-text is empty")
                : Run(parsed.GetValue(text)!, parsed.GetValue(output)!, parsed.GetValue(codes), speaking.Read(parsed, 1), options with { Models = models.Read(parsed, options.Models) }, reference);
        });
    }

    private static int Run(string text, string output, bool writeCodes, EvaluationOptions how, GrpoOptions options, VoiceReference? reference)
    {
        var models = options.Models;
        var voice = Voices.Read(reference, models, options.ToScoring());
        using var policy = PolicyModel.Load(models.Policy, options.Prompt, models.PolicyType, frozen: true);
        using var codec = SpeechCodec.Load(models.Codec, type: models.ScoringType);
        using StopSignal stop = new(atOnce: true);
        PhaseTimer timer = new();
        SamplingSettings sampling = new()
        {
            Temperature = how.Temperature, TopK = how.TopK, TopP = how.TopP, MaxNewTokens = how.MaxNewTokens, Seed = Seeds.Evaluation(how.Seed),
        };
        EncodedText encoded = new(text, policy.EncodePrompt(text, how.MaxNewTokens, 0, voice)) { Voice = voice };
        using SpokenBatch batch = new(policy, null, new SpeakRequest([encoded], how.Samples, sampling, 0) { Slots = Math.Min(how.Samples, 64) }, timer, stop.Abort);
        batch.TakeTokens();
        batch.Sample();
        batch.ReadCodes();
        int[] before = [.. voice?.Codes ?? []];
        using var waves = timer.Measure("vocode", () => new CutSounds(
            codec.Decode([.. batch.Codes.Select(own => (int[])[.. before, .. own])]), [.. batch.Codes.Select(_ => before.Length * codec.SamplesPerCode)]));
        double total = 0;
        for (var i = 0; i < batch.Samples.Count; i++)
        {
            var path = Number(output, i, batch.Samples.Count);
            var wave = waves[i].ToArray();
            AtomicFile.Write(path, temporary => WaveFile.Write(temporary, wave, codec.SampleRate));
            if (writeCodes)
            {
                AtomicFile.WriteText(Path.ChangeExtension(path, ".codes.txt"), string.Join(' ', batch.Codes[i].Select(c => c.ToString(CultureInfo.InvariantCulture))) + "\n");
            }

            var seconds = (double)wave.Length / codec.SampleRate;
            total += seconds;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{path}  {seconds:F2} s{(batch.Samples[i].Ended ? "" : ", cut off at --max-new-tokens")}"));
        }

        if (voice is not null && reference!.Text is null)
        {
            Console.WriteLine($"heard in {reference.Path}: {voice.Text}");
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{total:F2} s of speech in {timer.Total:F2} s: real-time factor {timer.Total / Math.Max(total, 1e-9):F3} ")
            + string.Create(CultureInfo.InvariantCulture, $"(tokens {timer["rollout"]:F2} s, sound {timer["vocode"]:F2} s)"));
        return 0;
    }

    private static string Number(string path, int index, int count) => count == 1
        ? path
        : Path.Combine(Path.GetDirectoryName(path) ?? "", string.Create(CultureInfo.InvariantCulture, $"{Path.GetFileNameWithoutExtension(path)}-{index + 1}{Path.GetExtension(path)}"));
}
