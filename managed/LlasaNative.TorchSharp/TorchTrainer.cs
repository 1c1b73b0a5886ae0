namespace LlasaNative.Torch;

/// <summary>Trains a native policy by TorchSharp: forward, autograd, clipping and AdamW are torch's, the weights stay where they are.</summary>
/// <remarks>
/// Sampling, scoring and saving go on with the native engine, which computes with the same memory. The CPU only: on a card
/// TorchSharp cannot take over foreign memory. <b>Threads:</b> the policy's. <b>Lifetime:</b> dispose it before the policy.
/// </remarks>
public sealed class TorchTrainer : IDisposable
{
    private readonly NativePolicy _policy;
    private readonly TorchTrainerOptions _options;
    private readonly PolicyParameters _parameters;
    private readonly LlamaModule _model;
    private readonly AdamW _optimiser;
    private readonly double[] _frequencies;
    private readonly bool _hasAdapter;
    private long _steps;
    private ulong _passes;

    /// <summary>Creates a trainer with zero gradients and moments.</summary>
    /// <param name="policy">The policy it trains, complete; its adapter, where it has one, and nothing else.</param>
    /// <param name="config">Its sizes.</param>
    /// <param name="options">The optimiser's numbers.</param>
    /// <exception cref="NotSupportedException">The policy is not on the CPU.</exception>
    public TorchTrainer(NativePolicy policy, LlamaConfig config, TorchTrainerOptions options)
    {
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(options);
        if (NativeDevice.GetInfo().Backend is not "cpu" and { } backend)
        {
            throw new NotSupportedException($"The TorchSharp engine trains policies on the CPU; this one is on {backend}. Use the native engine, or --backend cpu.");
        }

        _policy = policy;
        _options = options;
        _parameters = new PolicyParameters(
            policy, new ProjectionSettings(options.AdapterScale, options.AdapterDropout, RoundsWeights: policy.Options.ComputeDtype == NativeDType.BF16));
        _hasAdapter = _parameters.Trained.Count < policy.GetTensors().Count;
        _model = new LlamaModule(config, _parameters);
        _optimiser = optim.AdamW(
            _parameters.Trained.Select(p => p.Values), lr: 0, beta1: options.Beta1, beta2: options.Beta2, eps: options.Epsilon, weight_decay: options.WeightDecay);
        _frequencies = PackedLayout.Frequencies(config);
        ZeroGradients();
    }

    /// <summary>Optimiser steps taken; set it when resuming.</summary>
    public long StepCount
    {
        get => _steps;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            AdamWState.SetStep(_optimiser, value);
            _steps = value;
        }
    }

    /// <summary>Whether anything was accumulated since the last step.</summary>
    public bool HasGradients { get; private set; }

    /// <summary>Forward and backward over a batch, in micro-batches; adds to the gradients.</summary>
    /// <param name="batch">The sequences.</param>
    /// <param name="head">Temperature and allowed ids, as when the samples were drawn.</param>
    /// <param name="loss">What the policy term and the KL term are of.</param>
    /// <param name="terms">Advantages, weights and log-probs of the tokens.</param>
    /// <param name="logProbs">[N] receives the current log-probs; empty = not wanted.</param>
    /// <param name="progress">Told of tokens done, or null.</param>
    /// <param name="cancellation">Honoured within one micro-batch.</param>
    /// <returns>Sums over the tokens that count.</returns>
    /// <exception cref="OperationCanceledException">Cancelled; call <see cref="ZeroGradients"/> before going on.</exception>
    public NativeLossStats Accumulate(
        NativeTokenBatch batch, in NativeHeadOptions head, in NativeLossOptions loss, NativeTokenTerms terms,
        Span<float> logProbs = default, NativeProgress? progress = null, CancellationToken cancellation = default)
    {
        var stats = default(NativeLossStats);
        var total = (int)batch.ScoredTokens;
        var scored = 0;
        HasGradients = true;
        foreach (var (first, end) in MicroBatches(batch))
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            using PackedLayout layout = new(batch, first, end, _frequencies);
            var count = layout.TargetIds.Length;
            if (count == 0)
            {
                continue;
            }

            _passes++;
            var lengths = ScoredTokens(batch, first, end);
            using TokenLoss tokens = new(loss, terms, scored, count);
            var current = Pass(layout, head, tokens, lengths, ref stats);
            if (!logProbs.IsEmpty)
            {
                current.data<float>().CopyTo(logProbs.Slice(scored, count));
            }

            stats.ComputedTokens += layout.TokenIds.shape[0];
            scored += count;
            if (progress is not null && !progress(scored, total))
            {
                throw new OperationCanceledException("Cancelled by the progress callback; the gradients hold part of the batch.");
            }
        }

        return stats;
    }

    /// <summary>One AdamW step with the accumulated gradients, which are then cleared.</summary>
    /// <param name="learningRate">Of this step.</param>
    /// <returns>Gradient norm before clipping, and whether the step was skipped because a gradient was not finite.</returns>
    /// <exception cref="InvalidOperationException">Nothing was accumulated since the last step.</exception>
    public NativeStepStats Step(double learningRate)
    {
        if (!HasGradients)
        {
            throw new InvalidOperationException("Nothing was accumulated since the last step.");
        }

        var limit = _options.MaxGradNorm > 0 ? _options.MaxGradNorm : double.PositiveInfinity;
        var norm = nn.utils.clip_grad_norm_(_parameters.Trained.Select(p => p.Values), limit, 2);
        NativeStepStats stats = new() { GradNorm = norm, Skipped = double.IsFinite(norm) ? 0 : 1 };
        if (stats.Skipped == 0)
        {
            stats.GradScale = double.IsFinite(limit) ? Math.Min(1, limit / (norm + 1e-6)) : 1;
            foreach (var group in _optimiser.ParamGroups)
            {
                group.LearningRate = learningRate;
            }

            _optimiser.step();
            _steps++;
            _policy.TensorsChanged();
        }

        stats.Step = StepCount;
        ZeroGradients();
        return stats;
    }

    /// <summary>Throws the accumulated gradients away.</summary>
    public void ZeroGradients()
    {
        foreach (var (_, parameter) in _parameters.Trained)
        {
            if (parameter.grad is { } gradient)
            {
                gradient.zero_();
            }
            else
            {
                parameter.grad = zeros_like(parameter);
            }
        }

        HasGradients = false;
        _passes = 0;
    }

    /// <summary>Copies out the gradient or a moment of a parameter.</summary>
    /// <param name="kind">Which array.</param>
    /// <param name="name">Hugging Face name of the parameter.</param>
    /// <param name="destination">Exactly its elements.</param>
    public void GetState(NativeTrainerState kind, string name, Span<float> destination)
    {
        using var flat = StateOf(kind, name).contiguous();
        flat.data<float>().CopyTo(destination);
    }

    /// <summary>Copies in the gradient or a moment of a parameter.</summary>
    /// <param name="kind">Which array.</param>
    /// <param name="name">Hugging Face name of the parameter.</param>
    /// <param name="source">Exactly its elements.</param>
    public void SetState(NativeTrainerState kind, string name, ReadOnlySpan<float> source)
    {
        using var gradient = no_grad();
        var state = StateOf(kind, name);
        using var values = tensor(source.ToArray()).view(state.shape);
        state.copy_(values);
        HasGradients |= kind == NativeTrainerState.Gradient;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _optimiser.Dispose();
        _model.Dispose();
        _parameters.Dispose();
    }

    private Tensor StateOf(NativeTrainerState kind, string name)
    {
        var index = _parameters.Trained.FindIndex(p => p.Name == name);
        return index < 0 ? throw new KeyNotFoundException($"`{name}` is not trained.") : kind switch
        {
            NativeTrainerState.Gradient => _parameters.Trained[index].Values.grad!,
            NativeTrainerState.Moment1 => AdamWState.Of(_optimiser, index).exp_avg,
            NativeTrainerState.Moment2 => AdamWState.Of(_optimiser, index).exp_avg_sq,
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "There is no such array."),
        };
    }

    /// <summary>Forward and backward over one micro-batch; the log-probs of its scored tokens.</summary>
    private Tensor Pass(PackedLayout layout, NativeHeadOptions head, TokenLoss tokens, int[] lengths, ref NativeLossStats stats)
    {
        _model.train();
        var kept = _options.Recompute ? KeepInputs(layout) : null;
        var hidden = _model.Finish(kept is null ? RunLayers(layout) : kept[^1], layout);
        var columns = tensor(LlamaModule.Columns(layout.TargetIds, head));
        using var leaf = hidden.detach().requires_grad_(true);
        var rows = _options.HeadRows > 0 ? _options.HeadRows : Math.Max(1, (16 << 20) / Math.Max(1, HeadColumns(head)));
        if (tokens.NeedsAllLogProbs)
        {
            using var gradient = no_grad();
            tokens.TakeSequenceRatios(cat([.. Chunks(leaf, rows).Select(c => Score(leaf, columns, head, c.From, c.Rows).LogProbs)], 0), lengths);
        }

        List<Tensor> current = [];
        foreach (var (from, count) in Chunks(leaf, rows))
        {
            using var chunk = NewDisposeScope();
            var (logProbs, entropies) = Score(leaf, columns, head, from, count);
            tokens.Of(logProbs, entropies, from, ref stats).backward();
            current.Add(logProbs.detach().MoveToOuterDisposeScope());
        }

        hidden.backward([leaf.grad!]);
        if (kept is not null)
        {
            BackwardLayers(layout, kept);
        }

        return cat(current, 0);
    }

    private (Tensor LogProbs, Tensor Entropies) Score(Tensor hidden, Tensor columns, NativeHeadOptions head, long from, long rows) =>
        _model.Score(hidden.narrow(0, from, rows), columns.narrow(0, from, rows), head);

    private long HeadColumns(NativeHeadOptions head) =>
        head.RestrictEnd == 0 ? _policy.Options.VocabSize : head.RestrictEnd - head.RestrictStart + 1;

    private static IEnumerable<(long From, long Rows)> Chunks(Tensor hidden, long rows)
    {
        for (long from = 0, all = hidden.shape[0]; from < all; from += rows)
        {
            yield return (from, Math.Min(rows, all - from));
        }
    }

    /// <summary>[T, C] what each layer reads, and last what the norm reads: all that recomputation keeps.</summary>
    private List<Tensor> KeepInputs(PackedLayout layout)
    {
        using var gradient = no_grad();
        List<Tensor> kept = [_model.Embed(layout)];
        for (var l = 0; l < _model.Layers.Count; l++)
        {
            kept.Add(RunLayer(l, kept[l], layout));
        }

        kept[^1].requires_grad_(true);
        return kept;
    }

    private void BackwardLayers(PackedLayout layout, List<Tensor> kept)
    {
        var slope = kept[^1].grad!;
        for (var l = _model.Layers.Count - 1; l >= 0; l--)
        {
            using var scope = NewDisposeScope();
            var input = kept[l].detach().requires_grad_(true);
            RunLayer(l, input, layout).backward([slope]);
            slope = input.grad!.MoveToOuterDisposeScope();
        }

        if (!_hasAdapter)
        {
            _model.Embed(layout).backward([slope]);
        }
    }

    private Tensor RunLayers(PackedLayout layout)
    {
        var hidden = _model.Embed(layout);
        for (var l = 0; l < _model.Layers.Count; l++)
        {
            hidden = RunLayer(l, hidden, layout);
        }

        return hidden;
    }

    /// <summary>One layer. What dropout draws is keyed by step, micro-batch and layer: the same when it is computed again, and after a resume.</summary>
    private Tensor RunLayer(int layer, Tensor input, PackedLayout layout)
    {
        if (_options.AdapterDropout > 0)
        {
            manual_seed((long)(_options.DropoutSeed ^ (((((ulong)StepCount << 20) | _passes) << 12) | (uint)layer)));
        }

        return _model.Layers[layer].call(input, layout);
    }

    private IEnumerable<(int First, int End)> MicroBatches(long[] rows)
    {
        var used = 0L;
        var first = 0;
        for (var b = 0; b < rows.Length; b++)
        {
            if (used > 0 && used + rows[b] > _options.MicroBatchTokens)
            {
                yield return (first, b);
                (first, used) = (b, 0);
            }

            used += rows[b];
        }

        if (first < rows.Length)
        {
            yield return (first, rows.Length);
        }
    }

    private IEnumerable<(int First, int End)> MicroBatches(NativeTokenBatch batch)
    {
        var rows = new long[batch.PromptLengths.Length];
        for (var b = 0; b < rows.Length; b++)
        {
            rows[b] = batch.Offsets[b + 1] - batch.Offsets[b] - 1;
        }

        return MicroBatches(rows);
    }

    private static int[] ScoredTokens(NativeTokenBatch batch, int first, int end)
    {
        var lengths = new int[end - first];
        for (var b = first; b < end; b++)
        {
            lengths[b - first] = (int)(batch.Offsets[b + 1] - batch.Offsets[b] - batch.PromptLengths[b]);
        }

        return lengths;
    }
}
