namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa dpo</c>: training on preferences.</summary>
internal static class DpoCommand
{
    public static Command Create()
    {
        ConfigurationArguments arguments = new(("--held-out", "Preferences that are not trained on, measured every run.evaluate_every steps (data.evaluation).", "data.evaluation"));
        Command command = new("dpo", "Train a policy on preferences: texts with codes that were chosen and codes that were rejected (.jsonl, .parquet).");
        command.Takes(arguments.All);
        return command.Does(parsed => Run(arguments, parsed));
    }

    private static int Run(ConfigurationArguments arguments, ParseResult parsed)
    {
        var options = OptionTree.Build<DpoOptions>(arguments.Read(parsed));
        if (options.Data.Train.Length == 0)
        {
            throw new UsageException("data.train: name a .jsonl or .parquet file of preferences");
        }

        var path = options.Models.Policy.Length > 0 ? Places.Model(options.Models.Policy) : TinyWorld.Policy;
        options = options with { Models = options.Models with { Policy = path } };
        _ = options.Trainer.CreateEngine();   // what cannot be loaded is said before the model is
        using var policy = PolicyModel.Load(path, options.Prompt, options.Models.PolicyType, options.Lora.Enabled);
        IReadOnlyList<EncodedPair> pairs, held;
        using (VoiceReader voices = new(() => TinyWorld.Fill(options.Models), new ScoringOptions()))
        {
            pairs = TrainingData.ReadPairs(options.Data.Train, DataSplit.Train, options.Data, policy, voices, options.Data.Limit);
            held = options.Run.EvaluateEvery == 0 ? [] : TrainingData.ReadPairs(options.Data.Evaluation, DataSplit.Validation, options.Data, policy, voices, options.Run.EvaluateTexts);
        }

        using DpoLoop loop = new(options, policy, NativeEngine.CreateTrainer(policy, options.Trainer, options.Optimiser, options.Lora, options.Run.Seed), pairs);
        return TrainingEnd.Run("dpo", loop, (options, options.Trainer, options.Run), arguments, parsed, null, (settings, abort) => settings with
        {
            DataFingerprint = DataFingerprint.Of(pairs.SelectMany(p => new[] { new Utterance(p.Pair.Text, p.Pair.Chosen), new Utterance("", p.Pair.Rejected), new Utterance("", p.Prompt) })),
            Evaluate = held.Count == 0 ? null : row => loop.Measure(held, abort).AddTo(row, "evaluation"),
        });
    }
}
