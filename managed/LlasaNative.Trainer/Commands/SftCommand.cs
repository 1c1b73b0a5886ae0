namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa sft</c>: supervised training.</summary>
internal static class SftCommand
{
    public static Command Create()
    {
        ConfigurationArguments arguments = new(("--validation", "Utterances that are not trained on, whose loss is measured every run.evaluate_every steps (data.evaluation).", "data.evaluation"));
        Command command = new("sft", "Train a policy on utterances: texts with their speech codes (.jsonl, .parquet, or LLaSA_training's .memmap).");
        command.Takes(arguments.All);
        return command.DoesTogether((parsed, ranks) => Run(arguments, parsed, ranks));
    }

    private static int Run(ConfigurationArguments arguments, ParseResult parsed, RankSession ranks)
    {
        var options = OptionTree.Build<SftOptions>(arguments.Read(parsed));
        if (options.Data.Train.Length == 0)
        {
            throw new UsageException("data.train: name a .jsonl, .parquet or .memmap file of utterances, or a directory of such");
        }

        var path = options.Models.Policy.Length > 0 ? Places.Model(options.Models.Policy) : TinyWorld.Policy;
        options = options with { Models = options.Models with { Policy = path } };
        _ = options.Trainer.CreateEngine();   // what cannot be loaded is said before the model is
        using var policy = PolicyModel.Load(path, options.Prompt, options.Models.PolicyType);
        using UtteranceStore utterances = new(options.Run.Out), held = new(options.Run.Out);
        string fingerprint;
        using (VoiceReader voices = new(() => TinyWorld.Fill(options.Models), new ScoringOptions()))
        {
            fingerprint = TrainingData.StoreUtterances(utterances, options.Data.Train, DataSplit.Train, options.Data, policy, voices, options.Data.Limit);
            var apart = options.Data.Evaluation.Length > 0 ? options.Data.Evaluation : TrainingData.HasHeldOut(options.Data.Train) ? options.Data.Train : "";
            if (apart.Length > 0 && options.Run.EvaluateEvery > 0)
            {
                TrainingData.StoreUtterances(held, apart, DataSplit.Validation, options.Data, policy, voices, options.Run.EvaluateTexts);
            }
        }

        // What reading left behind would stay beside what training takes.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        if (options.Sft.Epochs > 0)
        {
            options = options with { Run = options.Run with { Steps = checked((int)((((long)options.Sft.Epochs * utterances.Count) + options.Sft.BatchSize - 1) / options.Sft.BatchSize)) } };
        }

        var trainer = options.Trainer.CreateTrainer(policy, new TrainerSettings(options.Optimiser, new LoraOptions(), options.Run.Seed) { World = ranks.World });
        using SftLoop loop = new(options, policy, trainer, utterances, ranks.World);
        return TrainingEnd.Run("sft", loop, (options, options.Trainer, options.Run), arguments, parsed, ranks, (settings, abort) => settings with
        {
            DataFingerprint = fingerprint,
            Evaluate = held.Count == 0 ? null : row => loop.Measure(held, row, abort),
            Lowest = held.Count == 0 ? null : SftLoop.HeldOutLoss,
        });
    }
}
