using System.CommandLine;
using LlasaNative.Configuration;
using LlasaNative.Data;
using LlasaNative.Engine;
using LlasaNative.Interop;
using LlasaNative.Models;
using LlasaNative.Recognition;
using LlasaNative.Reporting;
using LlasaNative.Trainer.Serving;
using LlasaNative.Training;

namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa train</c>: GRPO.</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        ConfigurationArguments arguments = new(("--reward-server", $"URLs of reward servers, separated by commas (reward_server.servers); default: the variable {Recognitions.Variable}.", "reward_server.servers"),
            ("--second-ear", "Directory of a recogniser that evaluations hear beside the one that rewards, and that never rewards (evaluation.recogniser).", "evaluation.recogniser"));
        Command command = new("train", "Train a policy by GRPO under a recogniser's judgement.");
        foreach (var option in arguments.All)
        {
            command.Options.Add(option);
        }

        return command.DoesTogether((parsed, ranks) => Run(arguments, parsed, ranks));
    }

    private static int Run(ConfigurationArguments arguments, ParseResult parsed, RankSession ranks)
    {
        var options = OptionTree.Build<GrpoOptions>([.. Recognitions.FromEnvironment(), .. arguments.Read(parsed)]);
        options = options with { Models = TinyWorld.Fill(options.Models) };
        _ = (options.CreateJudge(), options.Trainer.CreateEngine());   // what cannot be loaded is said before models are
        using var judge = Judges.Create(options.Judge);
        var prompts = TrainingData.ReadTraining(options.Data);
        var held = options.Run.EvaluateEvery == 0 ? null : TrainingData.Read(options.Data.Evaluation, DataSplit.Validation, options.Data).Take(options.Run.EvaluateTexts);
        var voices = Voices.Read(options, [.. prompts.Voices, .. held?.Voices ?? []]);
        using var models = Recognitions.Load(options, training: true, options.Lora.Enabled, CancellationToken.None);
        var texts = TrainingData.FittingForTraining(prompts, options, models, voices);
        using var second = held is null ? null : Recognitions.LoadSecondEar(options);
        var evaluation = Evaluation(options, models, held, voices, second, ranks.World);
        using var loop = NativeEngine.CreateLoop(options, models, texts, voices.Drawn, ranks.World, judge);
        if (ranks.Leads)
        {
            RunManifest.Write(Path.Combine(options.Run.Out, "run.json"), "train", OptionTree.Values(options), Terminal.Device());
        }

        var progress = Terminal.Progress(options.Run.Steps, ranks);
        progress.Note($"computing on {Terminal.Describe(NativeDevice.GetInfo())}; training by {options.Trainer.Engine}{ranks.Description}");
        if (second is null && options.Evaluation.Recogniser.Length > 0)
        {
            progress.Note("nobody asks the second ear (evaluation.recogniser): run.evaluate_every is 0");
        }

        using StopSignal stop = new(progress.Note);
        using var dashboard = DashboardServer.StartFor(ranks.Leads ? parsed.GetValue(arguments.Dashboard) : null, options.Run.Out, progress.Note);
        var outcome = TrainingRun.Execute(loop, new RunSettings
        {
            Run = options.Run,
            Options = options,
            DataFingerprint = DataFingerprint.Of(texts.Select(t => new Utterance(t.Text, [])).Concat(voices.All)),
            Resume = parsed.GetValue(arguments.Resume)!,
            Checkpoints = TrainingEnd.Checkpoints(options.Run, models.Policy, ranks.World),
            OpenLog = state => TrainingEnd.OpenLog(options.Run, state, ranks.World),
            World = ranks.World,
            Progress = progress,
            Stop = stop,
            Watch = new RunWatch(options.StopWhen),
            Evaluate = evaluation is null ? null : row => evaluation(row, stop.Abort),
        });
        return TrainingEnd.Report(outcome, (PolicyModel)loop.Policy, options.Run, ranks.World);
    }

    private static Action<MetricRow, CancellationToken>? Evaluation(GrpoOptions options, GrpoModels models, PromptSet? held, Voices voices, SecondEar? second, IWorld world)
    {
        if (held is null)
        {
            return null;
        }

        var texts = TrainingData.Fitting(held, models, voices, options.Run.Seed, TrainingData.MaxNewTokens(options), options.Data.MaxPromptTokens, second);
        Evaluator evaluator = new(models, options.CreateJudge(), second, world);
        var how = options.ToEvaluation();
        return (row, abort) =>
        {
            var result = evaluator.Evaluate(texts, how, cancellation: abort);
            row.Add("evaluation/not_scored", result.NotScored).Add("evaluation/cer", result.Cer).Add("evaluation/wer", result.Wer).Add("evaluation/nll", result.Nll)
                .Add("evaluation/reward", result.Reward).Add("evaluation/exact", result.Exact).Add("evaluation/not_ended", result.NotEnded)
                .Add("evaluation/beyond_window", result.BeyondWindow).Add("evaluation/ended_early", result.EndedEarly);
            if (result.Second is { } heard)
            {
                row.Add("evaluation/second_cer", heard.Cer).Add("evaluation/second_wer", heard.Wer).Add("evaluation/second_nll", heard.Nll)
                    .Add("evaluation/second_exact", heard.Exact);
            }
        };
    }
}
