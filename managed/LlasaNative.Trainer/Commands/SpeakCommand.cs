using System.CommandLine;
using System.Globalization;
using LlasaNative.Audio;
using LlasaNative.Models;
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
        Command command = new("speak", "Turn a text into speech.");
        command.Arguments.Add(text);
        foreach (var option in new Option[] { output, codes, models.Policy, models.Codec, models.PolicyType, models.ScoringType }.Concat(speaking.All))
        {
            command.Options.Add(option);
        }

        return command.Does(parsed =>
        {
            var options = speaking.Judging(parsed);
            return Run(parsed.GetValue(text)!, parsed.GetValue(output)!, parsed.GetValue(codes), speaking.Read(parsed, 1), options, models.Read(parsed, options.Models));
        });
    }

    private static int Run(string text, string output, bool writeCodes, EvaluationOptions how, GrpoOptions options, ModelOptions models)
    {
        using var policy = PolicyModel.Load(models.Policy, options.Prompt, models.PolicyType, frozen: true);
        using var codec = SpeechCodec.Load(models.Codec, type: models.ScoringType);
        using StopSignal stop = new(atOnce: true);
        PhaseTimer timer = new();
        SamplingSettings sampling = new()
        {
            Temperature = how.Temperature, TopK = how.TopK, TopP = how.TopP, MaxNewTokens = how.MaxNewTokens, Seed = Seeds.Evaluation(how.Seed),
        };
        using SpokenBatch batch = new(policy, null, new SpeakRequest([new EncodedText(text, policy.EncodePrompt(text, how.MaxNewTokens))], how.Samples, sampling, 0) { Slots = Math.Min(how.Samples, 64) }, timer, stop.Abort);
        batch.TakeTokens();
        batch.Sample();
        batch.ReadCodes();
        using var waves = timer.Measure("vocode", () => codec.Decode(batch.Codes));
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
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{path}  {seconds:F2} s{(batch.Samples[i].Ended ? "" : ", cut off at --max-new-tokens")}"));
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{waves.TotalSeconds:F2} s of speech in {timer.Total:F2} s: real-time factor {timer.Total / Math.Max(waves.TotalSeconds, 1e-9):F3} ")
            + string.Create(CultureInfo.InvariantCulture, $"(tokens {timer["rollout"]:F2} s, sound {timer["vocode"]:F2} s)"));
        return 0;
    }

    private static string Number(string path, int index, int count) => count == 1
        ? path
        : Path.Combine(Path.GetDirectoryName(path) ?? "", string.Create(CultureInfo.InvariantCulture, $"{Path.GetFileNameWithoutExtension(path)}-{index + 1}{Path.GetExtension(path)}"));
}
