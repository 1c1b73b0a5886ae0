namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa train</c>: GRPO.</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        ConfigurationArguments arguments = new(("--reward-server", $"URLs of reward servers, separated by commas (reward_server.servers); default: the variable {Recognitions.Variable}.", "reward_server.servers"),
            ("--second-ear", "Directory of a recogniser that evaluations hear beside the one that rewards, and that never rewards (evaluation.recogniser).", "evaluation.recogniser"));
        Command command = new("train", "Train a policy by GRPO under a recogniser's judgement.");
        command.Takes(arguments.All);
        return command.DoesTogether((parsed, ranks) => Run(arguments, parsed, ranks));
    }

    private static int Run(ConfigurationArguments arguments, ParseResult parsed, RankSession ranks)
    {
        var options = OptionTree.Build<GrpoOptions>([.. Recognitions.FromEnvironment(), .. arguments.Read(parsed)]);
        options = options with { Models = TinyWorld.Fill(options.Models) };
        _ = (new SampleJudge(options.ToReward()), options.Trainer.CreateEngine());   // what cannot be loaded is said before models are
        using var judge = Judges.Create(options.ToJudge());
        var prompts = TrainingData.ReadTraining(options.Data);
        TrainingData.WarnOfLanguage(prompts, options.Scoring);
        var held = options.Run.EvaluateEvery == 0 ? null : TrainingData.Read(options.Data.Evaluation, DataSplit.Validation, options.Data).Take(options.Run.EvaluateTexts);
        var voices = Voices.Read(options, [.. prompts.Voices, .. held?.Voices ?? []]);
        using var models = Recognitions.Load(options, training: true, options.Lora.Enabled, CancellationToken.None);
        var texts = TrainingData.FittingForTraining(prompts, options, models, voices);
        using var second = held is null ? null : Recognitions.LoadSecondEar(options);
        var evaluation = Evaluation(options, models, held, voices, second, ranks.World);
        using var loop = NativeEngine.CreateLoop(options, models, texts, voices.Drawn, ranks.World, judge);
        return TrainingEnd.Run("train", loop, (options, options.Trainer, options.Run), arguments, parsed, ranks, (settings, abort) =>
        {
            if (second is null && options.Evaluation.Recogniser.Length > 0)
            {
                settings.Progress.Note("nobody asks the second ear (evaluation.recogniser): run.evaluate_every is 0");
            }

            return settings with
            {
                DataFingerprint = DataFingerprint.Of(texts.Select(t => new Utterance(t.Text, [])).Concat(voices.All)),
                Watch = new RunWatch(options.StopWhen),
                Evaluate = evaluation is null ? null : row => evaluation(row, abort),
            };
        });
    }

    private static Action<MetricRow, CancellationToken>? Evaluation(GrpoOptions options, GrpoModels models, PromptSet? held, Voices voices, SecondEar? second, IWorld world)
    {
        if (held is null)
        {
            return null;
        }

        var texts = TrainingData.Fitting(held, models, voices, options.Run.Seed, TrainingData.MaxNewTokens(options), options.Data.MaxPromptTokens, second);
        Evaluator evaluator = new(models, new SampleJudge(options.ToReward()), second, world);
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
