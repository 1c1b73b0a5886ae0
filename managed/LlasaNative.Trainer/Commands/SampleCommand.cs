using System.CommandLine;
using System.Globalization;
using LlasaNative.Data;
using LlasaNative.Training;

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
        Option<double> least = new("--min-reward") { Description = "Leave out samples with a smaller reward." };
        Option<string?> name = new("--name") { Description = "What the policy is called in the file; default: the name of its directory." };
        Command command = new("sample", "Draw samples of texts and keep their codes, all or the best of each text: what pairs and corpora are made of.");
        foreach (var option in new Option[] { data, limit, output, bestOf, least, name, models.PolicyType, models.ScoringType }.Concat(models.All).Concat(speaking.All))
        {
            command.Options.Add(option);
        }

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
            var samples = Draw(parsed.GetValue(data) ?? "", parsed.GetValue(limit), judging, how, parsed.GetValue(name) ?? PolicyLocation.Name(judging.Models.Policy));
            var kept = (best > 0 ? BestOfEach(samples, best) : samples).Where(s => s.Reward >= parsed.GetValue(least)).ToArray();
            if (kept.Length == 0)
            {
                throw new LlasaException(string.Create(CultureInfo.InvariantCulture, $"none of {samples.Count} samples has a reward of {parsed.GetValue(least)} or more"));
            }

            var path = parsed.GetValue(output)!;
            if (Path.GetDirectoryName(path) is { Length: > 0 } folder)
            {
                Directory.CreateDirectory(folder);
            }

            SampleFile.Write(path, kept);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{path}  {kept.Length} of {samples.Count} samples  reward {kept.Average(s => s.Reward):F3}  CER {kept.Average(s => s.Cer):F3}, of all drawn {samples.Average(s => s.Reward):F3} and {samples.Average(s => s.Cer):F3}; ")
                + string.Create(CultureInfo.InvariantCulture, $"pitch {Mean(kept, s => s.F0Semitones):F2} semitones, pace {Mean(kept, s => s.Rate):F1} characters/s, {kept.Select(s => string.Join(',', s.Codes)).Distinct().Count()} different"));
            return 0;
        });
    }

    /// <summary>Of each text's samples the one with the best reward, of equal ones that with the lowest NLL, then the first.</summary>
    internal static IEnumerable<SampledSpeech> BestOfEach(IReadOnlyList<SampledSpeech> samples, int group) =>
        samples.Chunk(group).Select(g => g.OrderByDescending(s => s.Reward).ThenBy(s => double.IsNaN(s.Nll) ? double.PositiveInfinity : s.Nll).First());

    private static double Mean(IEnumerable<SampledSpeech> samples, Func<SampledSpeech, double> value) => samples.Select(value).Where(double.IsFinite).DefaultIfEmpty(double.NaN).Average();

    private static List<SampledSpeech> Draw(string data, int limit, GrpoOptions judging, EvaluationOptions how, string name)
    {
        var prompts = TrainingData.Read(data, DataSplit.Train, judging.Data).Take(Math.Max(limit, 0));
        var voices = Voices.Read(judging, prompts.Voices);
        using var loaded = Recognitions.Load(judging, training: false, frozen: true, CancellationToken.None);
        loaded.Recognition.Announce(prompts.Texts);
        var texts = prompts.Fitting((text, named) => (Encoded: loaded.Encode(text, how.MaxNewTokens, judging.Data.MaxPromptTokens, voices.Of(named)), Named: named));
        using StopSignal stop = new(atOnce: true);
        var progress = Terminal.Progress(texts.Length);
        var result = new Evaluator(loaded, judging.CreateJudge()).Evaluate([.. texts.Select(t => t.Encoded)], how, null, done => progress.Took(done, "texts"), null, stop.Abort);
        progress.Finish();
        if (result.NotScored > judging.RewardServer.MaxNotScored * result.Samples.Count)
        {
            throw new RewardUnavailableException($"{result.NotScored} of {result.Samples.Count} samples could not be scored");
        }

        return [.. result.Samples.Select((s, i) => new SampledSpeech(s.Text, s.Codes)
        {
            Policy = name,
            Voice = texts[i / how.Samples].Named,
            Transcript = s.Transcript,
            Reward = s.Judgement.Reward,
            Cer = s.Judgement.Cer,
            Nll = s.Judgement.Nll,
            Ended = s.Ended,
            F0Semitones = s.Prosody?.F0Semitones ?? double.NaN,
            Rate = s.Prosody?.Rate(s.Judgement.Characters) ?? double.NaN,
        })];
    }
}
