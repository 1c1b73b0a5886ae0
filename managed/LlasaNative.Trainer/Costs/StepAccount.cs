namespace LlasaNative.Trainer.Costs;

/// <summary>How long the things of a step are, on average.</summary>
/// <param name="Text">Tokens of a transcript, and of a text whose likelihood is asked for.</param>
internal sealed record StepLengths(double Prompt, double Response, double Text);

/// <summary>What a GRPO step makes a GPU do, phase by phase, from configurations and lengths alone.</summary>
/// <remarks>
/// Products are those that the models compute, counted by shape: a test holds their number to the one that the simulator counts.
/// Lengths of responses are taken to be spread evenly between none and twice the mean, so that rows leave the decoding one by one.
/// </remarks>
internal sealed class StepAccount
{
    private const double EncoderGroup = 8, TargetRows = 4096, HeadLogits = 1 << 27;

    private readonly GrpoOptions _options;
    private readonly LlamaConfig _policy;
    private readonly StepLengths _lengths;
    private readonly bool _bf16, _speechBf16;
    private readonly double _samples, _head;

    public StepAccount(GrpoOptions options, LlamaConfig policy, double headColumns, Xcodec2Config? codec, WhisperConfig? whisper, StepLengths lengths)
    {
        if (options.Models.PolicyType == ComputeType.Q8 || options.Models.ScoringType == ComputeType.Q8)
        {
            throw new UsageException("8-bit weights are for the CPU backend: `models.policy_type` and `models.scoring_type` are f32 or bf16 on a GPU");
        }

        (_options, _policy, _lengths, _head) = (options, policy, lengths, headColumns);
        (_bf16, _speechBf16) = (options.Models.PolicyType == ComputeType.Bf16, options.Models.ScoringType == ComputeType.Bf16);
        _samples = (double)options.Rollout.PromptsPerStep * options.Rollout.SamplesPerPrompt;
        List<CostPhase> phases = [Prefill(), Decoding()];
        if (codec is not null)
        {
            phases.Add(Vocoding(codec));
        }

        if (whisper is not null)
        {
            phases.AddRange(Hearing(whisper, codec?.HopLength ?? 320));
        }

        phases.Add(Training());
        phases.Add(Update());
        Phases = phases;
    }

    public IReadOnlyList<CostPhase> Phases { get; }

    private double AttentionWidth => _policy.QueryHeads * _policy.HeadDimension;

    private double KeyValueWidth => 2.0 * _policy.KeyValueHeads * _policy.HeadDimension;

    /// <summary>The products of all layers over so many rows; with an adapter its own are left out, which are rank / width of these.</summary>
    internal static IEnumerable<CostProduct> LayerProducts(LlamaConfig c, double rows, double times, bool bf16)
    {
        double width = c.QueryHeads * c.HeadDimension, keyValue = 2.0 * c.KeyValueHeads * c.HeadDimension;
        yield return new("queries, keys, values", rows, width + keyValue, c.HiddenSize, times * c.Layers, bf16);
        yield return new("attention's output", rows, c.HiddenSize, width, times * c.Layers, bf16);
        yield return new("gate and up", rows, 2.0 * c.IntermediateSize, c.HiddenSize, times * c.Layers, bf16, KeepsBf16: bf16);
        yield return new("down", rows, c.HiddenSize, c.IntermediateSize, times * c.Layers, bf16);
    }

    /// <summary>
    /// Bytes of a layer's activations for a row, forward: each kernel's inputs and outputs (two norms, rotation, SwiGLU, two
    /// sums into the residual stream), of which what products and attention read and SwiGLU's inputs are kept in bf16.
    /// </summary>
    private double RowBytes()
    {
        double hidden = _policy.HiddenSize, wide = _policy.IntermediateSize;
        double kept = _bf16 ? 2 : 4;
        return (2 * (4 + kept) * hidden) + ((4 + kept) * (AttentionWidth + KeyValueWidth)) + (kept * 3 * wide) + (4 * 2 * 2 * hidden);
    }

    private double KeyValueBytes(double tokens) => tokens * _policy.Layers * KeyValueWidth * (_bf16 ? 2 : 4);

    private CostPhase Prefill()
    {
        double prompts = _options.Rollout.PromptsPerStep, rows = _lengths.Prompt;
        return new("prompts", [.. LayerProducts(_policy, rows, prompts, _bf16)], prompts * _policy.Layers * 2 * rows * rows * AttentionWidth,
            prompts * rows * ((_policy.Layers * RowBytes()) + KeyValueBytes(1)), prompts * PieceCounts.Of("a prompt of a rollout, to the first token", _policy.Layers));
    }

    private CostPhase Decoding()
    {
        double longest = Math.Min(_options.Rollout.MaxNewTokens, 2 * _lengths.Response), slots = Math.Min(_samples, _options.Rollout.Slots);
        // Slots are filled again while there are samples; the last ones empty them.
        var steps = Math.Max(longest, _samples * _lengths.Response / slots);
        var rows = _samples * _lengths.Response / steps;
        CostProduct[] products = [.. LayerProducts(_policy, rows, steps, _bf16), new("head", rows, _head, _policy.HiddenSize, steps, _bf16)];
        var drawn = _samples * _lengths.Response;
        // A mean response of n tokens has looked back at its prompt and at two thirds of n, lengths being spread evenly.
        var context = _lengths.Prompt + (2.0 / 3 * _lengths.Response);
        // A group's prompt is read once for all of its samples, at each token while one of them is drawn: of so many lengths the longest.
        var together = Math.Min(_options.Rollout.SamplesPerPrompt, slots);
        var reads = _samples / together * _lengths.Response * (2 * together / (together + 1));
        var logits = drawn * _head * 4 * 4;   // penalised, normalised, cut, drawn from
        return new("decoding", products, drawn * _policy.Layers * 4 * context * AttentionWidth,
            KeyValueBytes((reads * _lengths.Prompt) + (drawn * 2 / 3 * _lengths.Response)) + (drawn * _policy.Layers * RowBytes()) + logits,
            (steps / 64) * PieceCounts.Of("64 tokens of a rollout, all its rows together", _policy.Layers));
    }

    private CostPhase Vocoding(Xcodec2Config c)
    {
        double frames = _lengths.Response, hidden = c.HiddenSize, batch = Math.Min(_samples, _options.Scoring.BatchSize), batches = _samples / batch;
        var rows = frames * batch;
        CostProduct[] products =
        [
            new("codes", rows, hidden, c.QuantizationDimension, batches, false),
            new("embedding", rows, hidden, 7 * hidden, batches, _speechBf16),
            new("residual convolutions", rows, hidden, 3 * hidden, 8 * batches, _speechBf16),
            new("queries, keys, values", rows, 3 * hidden, hidden, c.Layers * batches, _speechBf16),
            new("attention's output", rows, hidden, hidden, c.Layers * batches, _speechBf16),
            new("feed-forward", rows, c.IntermediateSize, hidden, 2 * c.Layers * batches, _speechBf16),
            new("spectrum", rows, c.FftLength + 2, hidden, batches, false),
            new("inverse transform", rows, c.FftLength / 2.0, (c.FftLength + 2) / 2.0, batches, false),
        ];
        var activations = _samples * frames * 4 * hidden * ((c.Layers * 24) + 80);
        return new("vocoder", products, c.Layers * _samples * 4 * frames * frames * hidden, activations,
            (batches * PieceCounts.Of("vocoding a clip", c.Layers)) + ((_samples - batches) * PieceCounts.Of("vocoding each further clip of a batch", c.Layers)));
    }

    private IEnumerable<CostPhase> Hearing(WhisperConfig c, int hop)
    {
        double width = c.HiddenSize, positions = c.MaxSourcePositions, element = _speechBf16 ? 2 : 4;
        var windows = _samples * Math.Ceiling(_lengths.Response * hop / c.WindowSamples);
        var clipBytes = 2 * c.DecoderLayers * width * element * (positions + c.MaxTargetPositions);
        var together = Math.Clamp(Math.Floor(_options.Scoring.CacheMib * (double)(1 << 20) / clipBytes), 1, Math.Min(_samples, _options.Scoring.BatchSize));
        double groups = windows / EncoderGroup, rows = EncoderGroup * positions;
        CostProduct[] encoder =
        [
            new("convolutions", 2 * rows, width, 3 * c.MelBins, groups, _speechBf16),
            new("convolutions", rows, width, 3 * width, groups, _speechBf16),
            new("queries, keys, values, output", rows, width, width, 4 * c.EncoderLayers * groups, _speechBf16),
            new("feed-forward", rows, c.EncoderIntermediateSize, width, 2 * c.EncoderLayers * groups, _speechBf16),
            new("keys and values for the texts", rows, width, width, 2 * c.DecoderLayers * groups, _speechBf16),
        ];
        var encoded = windows * positions * c.EncoderLayers * 4 * width * 24;
        yield return new("recogniser: sound", encoder, c.EncoderLayers * windows * 4 * positions * positions * width, encoded,
            (groups * PieceCounts.Of("hearing a group of clips, to the first token", c.EncoderLayers))
            + ((windows - groups) * PieceCounts.Of("each further clip of it", c.EncoderLayers)));

        double steps = windows / together * _lengths.Text, texts = windows * _lengths.Text;
        var tokens = DecoderProducts(c, together, steps).Concat(DecoderProducts(c, Math.Min(TargetRows, texts), texts / Math.Min(TargetRows, texts)));
        var read = texts * 2 * c.DecoderLayers * width * element * (positions + (_lengths.Text / 2));   // keys and values, at every token
        var seen = 2 * texts * (4 * c.VocabularySize * 3 + (c.DecoderLayers * 4 * width * 30));
        yield return new("recogniser: texts", [.. tokens], 2 * texts * c.DecoderLayers * 4 * (positions + (_lengths.Text / 2)) * width, read + seen,
            (steps / 16) * PieceCounts.Of("16 tokens of transcripts, all clips together", c.DecoderLayers));
    }

    private IEnumerable<CostProduct> DecoderProducts(WhisperConfig c, double rows, double times)
    {
        double width = c.HiddenSize;
        yield return new("attention to texts", rows, width, width, 4 * c.DecoderLayers * times, _speechBf16);
        yield return new("attention to sounds", rows, width, width, 2 * c.DecoderLayers * times, _speechBf16);
        yield return new("feed-forward", rows, c.DecoderIntermediateSize, width, 2 * c.DecoderLayers * times, _speechBf16);
        yield return new("head", rows, c.VocabularySize, width, times, _speechBf16);
    }

    /// <summary>Optimiser steps of a pass over the samples.</summary>
    private double MiniBatches => _options.Update.MiniBatchPrompts > 0 ? Math.Ceiling((double)_options.Rollout.PromptsPerStep / _options.Update.MiniBatchPrompts) : 1;

    private double Updates => _options.Update.Epochs * MiniBatches;

    private double TrainedRows => (_samples * _lengths.Response) + (_options.Rollout.PromptsPerStep * _lengths.Prompt);

    /// <summary>Micro-batches of a pass over the samples.</summary>
    private double Batches => MiniBatches * Math.Ceiling(TrainedRows / MiniBatches / _options.Optimiser.MicroBatchTokens);

    /// <summary>What each of so many ranks sends.</summary>
    public RankTraffic Traffic(int ranks) => RankTraffic.Of(_options, _policy, ranks, Updates, _options.Update.Epochs * Batches);

    private CostPhase Training()
    {
        double responses = _samples * _lengths.Response, tokens = TrainedRows;
        double epochs = _options.Update.Epochs, batches = Batches, rows = tokens / batches, chunk = Math.Clamp(HeadLogits / _head, 2048, 4096);
        bool recompute = _options.Optimiser.Recompute == Recompute.True, recomputeMlp = _options.Optimiser.Recompute == Recompute.Mlp;
        var trainsAll = !_options.Lora.Enabled;
        List<CostProduct> products = [];
        foreach (var forward in LayerProducts(_policy, rows, batches, _bf16).Append(new("head", chunk, _head, _policy.HiddenSize, responses / chunk, _bf16)))
        {
            var again = recompute ? forward.What != "head" : recomputeMlp && forward.What == "gate and up";
            products.Add(forward with { Times = forward.Times * (again ? 2 : 1) });
            products.Add(forward with { What = $"{forward.What}: gradient of its input", Columns = forward.Inner, Inner = forward.Columns, KeepsBf16 = _bf16 && forward.What is ("down" or "attention's output") });
            if (trainsAll)
            {
                products.Add(forward with { What = $"{forward.What}: gradient of its weight", Rows = forward.Columns, Columns = forward.Inner, Inner = forward.Rows, KeepsBf16 = false });
            }
        }

        var context = _lengths.Prompt + (2.0 / 3 * _lengths.Response);
        // Backward multiplies five times where forward does twice.
        var attention = responses * _policy.Layers * 4 * context * AttentionWidth * (3.5 + (recompute ? 1 : 0));
        var activations = tokens * _policy.Layers * RowBytes() * (3 + (recompute ? 1 : 0));
        var logits = responses * _head * (4 + 4 + (_bf16 ? 2 : 4));   // read for log-probs, read and turned into their gradient
        var name = recompute ? "the same, layers recomputed" : recomputeMlp ? "the same, MLPs recomputed" : "a micro-batch of training";
        return new("gradient", [.. products.Select(p => p with { Times = epochs * p.Times })], epochs * attention, epochs * (activations + logits),
            (epochs * batches * PieceCounts.Of(name, _policy.Layers)) + (epochs * ((responses / chunk) - batches) * PieceCounts.Of("each further chunk of the head", _policy.Layers)));
    }

    private CostPhase Update()
    {
        double matrices = _policy.Layers * ((_policy.HiddenSize * ((2 * AttentionWidth) + KeyValueWidth)) + (3.0 * _policy.HiddenSize * _policy.IntermediateSize));
        var all = matrices + ((_policy.TieWordEmbeddings ? 1.0 : 2.0) * _policy.VocabularySize * _policy.HiddenSize);
        var trained = _options.Lora.Enabled ? RankTraffic.Adapter(_options, _policy) : all;
        // Weights, both moments and gradient read; the first three and the cleared gradient written; the norm reads once more; the bf16 copy.
        return new("update", [], 0, Updates * trained * ((9 * 4) + (_bf16 ? 2 : 0)), Updates * PieceCounts.Of("a step of the optimiser", _policy.Layers));
    }
}
