using System.CommandLine;
using LlasaNative.Configuration;
using LlasaNative.Data;
using LlasaNative.Engine;
using LlasaNative.Interop;
using LlasaNative.Models;
using LlasaNative.Reporting;
using LlasaNative.Trainer.Serving;
using LlasaNative.Training;

namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa sft</c>: supervised training.</summary>
internal static class SftCommand
{
    public static Command Create()
    {
        ConfigurationArguments arguments = new();
        Command command = new("sft", "Train a policy on utterances: texts with their speech codes (.jsonl, .parquet).");
        foreach (var option in arguments.All)
        {
            command.Options.Add(option);
        }

        return command.DoesTogether((parsed, ranks) => Run(arguments, parsed, ranks));
    }

    private static int Run(ConfigurationArguments arguments, ParseResult parsed, RankSession ranks)
    {
        var options = OptionTree.Build<SftOptions>(arguments.Read(parsed));
        if (options.Data.Train.Length == 0)
        {
            throw new UsageException("data.train: name a .jsonl or .parquet file of utterances");
        }

        var path = options.Models.Policy.Length > 0 ? Places.Model(options.Models.Policy) : TinyWorld.Policy;
        options = options with { Models = options.Models with { Policy = path } };
        _ = options.Trainer.CreateEngine();   // what cannot be loaded is said before the model is
        using var policy = PolicyModel.Load(path, options.Prompt, options.Models.PolicyType);
        IReadOnlyList<EncodedUtterance> utterances;
        using (VoiceReader voices = new(() => TinyWorld.Fill(options.Models), new ScoringOptions()))
        {
            utterances = TrainingData.ReadUtterances(options.Data, policy, voices);
        }

        var trainer = options.Trainer.CreateTrainer(policy, new TrainerSettings(options.Optimiser, new LoraOptions(), options.Run.Seed) { World = ranks.World });
        using SftLoop loop = new(options, policy, trainer, utterances, ranks.World);
        if (ranks.Leads)
        {
            RunManifest.Write(Path.Combine(options.Run.Out, "run.json"), "sft", OptionTree.Values(options), Terminal.Device());
        }

        var progress = Terminal.Progress(options.Run.Steps, ranks);
        progress.Note($"computing on {Terminal.Describe(NativeDevice.GetInfo())}; training by {options.Trainer.Engine}{ranks.Description}");
        using StopSignal stop = new(progress.Note);
        using var dashboard = DashboardServer.StartFor(ranks.Leads ? parsed.GetValue(arguments.Dashboard) : null, options.Run.Out, progress.Note);
        var outcome = TrainingRun.Execute(loop, new RunSettings
        {
            Run = options.Run,
            Options = options,
            DataFingerprint = DataFingerprint.Of(utterances.SelectMany(u => u.Utterance.Voice is null ? [u.Utterance] : new[] { u.Utterance, new Utterance("", u.Prompt) })),
            Resume = parsed.GetValue(arguments.Resume)!,
            Checkpoints = TrainingEnd.Checkpoints(options.Run, policy, ranks.World),
            OpenLog = state => TrainingEnd.OpenLog(options.Run, state, ranks.World),
            World = ranks.World,
            Progress = progress,
            Stop = stop,
        });
        return TrainingEnd.Report(outcome, policy, options.Run, ranks.World);
    }
}
