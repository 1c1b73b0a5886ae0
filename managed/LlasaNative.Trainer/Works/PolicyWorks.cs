namespace LlasaNative.Trainer.Works;

/// <summary>What a policy does: decode, read a prompt, learn. The whole vocabulary takes part, and nothing ends early.</summary>
internal static class PolicyWorks
{
    /// <summary>One token for each sequence of a batch; the time of the prompt is taken off.</summary>
    public static WorkResult Decode(string path, ComputeType type, WorkSettings settings)
    {
        var (batch, prompt, tokens) = (settings.Batch ?? 1, settings.Prompt ?? 2, settings.Tokens ?? 32);
        if (tokens < 2)
        {
            throw new UsageException($"--tokens {tokens}: decoding is timed over at least 2");
        }

        using var policy = PolicyModel.Load(path, type: type, frozen: true);
        using var rollout = Rollout(policy, batch, prompt + tokens);
        var ids = Ids(policy, batch * prompt);
        var begin = settings.Time(() => Draw(rollout, ids, batch, 1)).Order().ElementAt(settings.Repeats / 2);
        var whole = settings.Time(() => Draw(rollout, ids, batch, tokens), warm: false);
        var c = policy.Config;
        var context = prompt + (tokens / 2.0);
        return new WorkResult("decode", [.. whole.Select(s => Math.Max(1e-9, s - begin) / (tokens - 1))], batch, "tokens")
        {
            Type = type,
            Flops = batch * (StepCost.Body(c, context, 1) + StepCost.Head(policy, speechOnly: false)),
            Bytes = WeightBytes(policy) + (batch * context * c.Layers * 2.0 * c.KeyValueHeads * c.HeadDimension * (type == ComputeType.F32 ? 4 : 2)),
            Settings = Chosen(("batch", batch), ("prompt", prompt), ("tokens", tokens)),
        };
    }

    /// <summary>Prompts read, and one token drawn for each.</summary>
    public static WorkResult Prefill(string path, ComputeType type, WorkSettings settings)
    {
        var (batch, prompt) = (settings.Batch ?? 1, settings.Prompt ?? 512);
        using var policy = PolicyModel.Load(path, type: type, frozen: true);
        using var rollout = Rollout(policy, batch, prompt + 1);
        var ids = Ids(policy, batch * prompt);
        return new WorkResult("prefill", settings.Time(() => Draw(rollout, ids, batch, 1)), batch * prompt, "tokens")
        {
            Type = type,
            Flops = batch * (StepCost.Body(policy.Config, 0, prompt) + StepCost.Head(policy, speechOnly: false)),
            Settings = Chosen(("batch", batch), ("prompt", prompt)),
        };
    }

    /// <summary>Forward, backward and AdamW over sequences, every token of which but the first is learned; what is kept of the forward pass is up to the options.</summary>
    public static WorkResult Train(string path, ComputeType type, WorkSettings settings, OptimiserOptions optimiser)
    {
        var (batch, tokens) = (settings.Batch ?? 8, settings.Tokens ?? 512);
        if (tokens < 2)
        {
            throw new UsageException($"--tokens {tokens}: expected at least 2, of which the first is given");
        }

        using var policy = PolicyModel.Load(path, type: type);
        using NativePolicyTrainer trainer = new(policy, optimiser with { WeightDecay = 0.01 });
        PackedSequences sequences = new();
        foreach (var sequence in Ids(policy, batch * tokens).Chunk(tokens))
        {
            sequences.Add(sequence.AsSpan(0, 1), sequence.AsSpan(1));
        }

        var scored = sequences.ScoredTokens;
        TokenTerms terms = new([.. Enumerable.Repeat(1f, scored)], [.. Enumerable.Repeat(1f / scored, scored)]);
        var seconds = settings.Time(() =>
        {
            trainer.Accumulate(sequences, new HeadSettings(1, SpeechOnly: false), terms, new LossShape(PolicyTerm.LogProb), CancellationToken.None);
            trainer.Apply(1e-5);
        });
        return new WorkResult("train", seconds, batch * tokens, "tokens")
        {
            Type = type,
            Flops = 3 * batch * (StepCost.Body(policy.Config, 0, tokens) + ((tokens - 1) * StepCost.Head(policy, speechOnly: false))),   // what is computed again counts once
            Settings = Chosen(("batch", batch), ("tokens", tokens), ("recompute", optimiser.Recompute == Recompute.True ? 1 : 0), ("recompute_mlp", optimiser.Recompute == Recompute.Mlp ? 1 : 0)),
        };
    }

    public static Dictionary<string, double> Chosen(params (string Name, double Value)[] values) => values.ToDictionary(v => v.Name, v => v.Value);

    private static NativeRollout Rollout(PolicyModel policy, int batch, int length)
    {
        if (length > policy.Config.MaxPositions)
        {
            throw new UsageException($"{length} tokens of prompt and response are more than the {policy.Config.MaxPositions} the model allows (max_position_embeddings)");
        }

        var options = NativeRolloutOptions.CreateDefault();
        options.MaxSlots = batch;
        options.MaxSequenceTokens = length;
        return new NativeRollout(policy.Native, options);
    }

    private static void Draw(NativeRollout rollout, int[] ids, int batch, int tokens)
    {
        var sampling = NativeSamplingOptions.CreateDefault();
        sampling.Temperature = 0;
        sampling.StopToken = -1;
        sampling.MaxNewTokens = tokens;
        long[] offsets = [.. Enumerable.Range(0, batch + 1).Select(i => (long)i * (ids.Length / batch))];
        _ = rollout.Generate(sampling, offsets, ids, 1);
    }

    /// <summary>Ids that jump about in the vocabulary.</summary>
    private static int[] Ids(PolicyModel policy, int count) => [.. Enumerable.Range(0, count).Select(i => (int)(i * 7919L % policy.Config.VocabularySize))];

    /// <summary>What a step reads of the weights: all of them, but of an embedding that is not the head only rows.</summary>
    private static double WeightBytes(PolicyModel policy) => policy.Native.GetTensors()
        .Where(t => policy.Config.TieWordEmbeddings || t.Name != "model.embed_tokens.weight")
        .Sum(t => t.Count * (double)(t.Shape.Count > 1 ? policy.ComputeType.BytesPerWeight() : 4));
}
