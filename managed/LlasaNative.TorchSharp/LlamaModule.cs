namespace LlasaNative.Torch;

/// <summary>A Llama language model as a TorchSharp module, over the weights of a native policy.</summary>
/// <remarks>As transformers' LlamaForCausalLM. <b>Threads:</b> the policy's.</remarks>
internal sealed class LlamaModule : nn.Module
{
    private readonly PolicyParameters _weights;
    private readonly LlamaLayer[] _layers;
    private readonly RmsNorm _norm;
    private readonly string _head;

    /// <param name="config">Sizes.</param>
    /// <param name="parameters">Its weights; not disposed with it.</param>
    public LlamaModule(LlamaConfig config, PolicyParameters parameters)
        : base("model")
    {
        _weights = parameters;
        _head = config.TieWordEmbeddings ? Embedding : "lm_head.weight";
        _layers = [.. Enumerable.Range(0, config.Layers).Select(l => new LlamaLayer(l, config, parameters))];
        _norm = new RmsNorm("model.norm", config.RmsNormEpsilon, parameters);
        register_parameter("embed_tokens", parameters[Embedding]);
        if (!config.TieWordEmbeddings)
        {
            register_parameter("lm_head", parameters[_head]);
        }

        for (var l = 0; l < _layers.Length; l++)
        {
            register_module($"layers_{l}", _layers[l]);
        }

        register_module("norm", _norm);
    }

    private const string Embedding = "model.embed_tokens.weight";

    /// <summary>The layers, for those who run them one at a time.</summary>
    public IReadOnlyList<LlamaLayer> Layers => _layers;

    /// <summary>[T, C] what the first layer reads.</summary>
    public Tensor Embed(PackedLayout layout) =>
        PolicyParameters.AsMultiplied(_weights[Embedding].index_select(0, layout.TokenIds), _weights.Projections.RoundsWeights);

    /// <summary>[N, C] of the rows that are scored, behind the last norm.</summary>
    /// <param name="hidden">[T, C] behind the last layer.</param>
    /// <param name="layout">Which rows are scored.</param>
    public Tensor Finish(Tensor hidden, PackedLayout layout) => _norm.call(hidden.index_select(0, layout.ScoredRows));

    /// <summary>Log-prob and entropy of some rows' next tokens over the allowed ids: softmax(logits / temperature).</summary>
    /// <param name="hidden">[n, C] of <see cref="Finish"/>.</param>
    /// <param name="columns">[n] place of each next token among the allowed ids.</param>
    /// <param name="head">Temperature and allowed ids.</param>
    /// <returns>[n] each; nats.</returns>
    public (Tensor LogProbs, Tensor Entropies) Score(Tensor hidden, Tensor columns, in NativeHeadOptions head)
    {
        var weight = _weights[_head];
        Tensor Logits(Tensor rows) => nn.functional.linear(hidden, PolicyParameters.AsMultiplied(rows, _weights.Projections.RoundsWeights));
        var logits = head.RestrictEnd == 0 ? Logits(weight) : Logits(weight.narrow(0, head.RestrictStart, head.RestrictEnd - head.RestrictStart));
        if (head.RestrictEnd != 0 && head.RestrictExtra >= 0)
        {
            logits = cat([logits, Logits(weight.narrow(0, head.RestrictExtra, 1))], -1);
        }

        var logProbs = nn.functional.log_softmax(logits / head.Temperature, -1);
        return (logProbs.gather(-1, columns.unsqueeze(-1)).squeeze(-1), -(logProbs.exp() * logProbs).sum(-1));
    }

    /// <summary>Places of ids among the allowed ones.</summary>
    /// <exception cref="ArgumentException">An id is not allowed.</exception>
    public static long[] Columns(long[] ids, NativeHeadOptions head) => head.RestrictEnd == 0
        ? ids
        : Array.ConvertAll(ids, id => id >= head.RestrictStart && id < head.RestrictEnd ? id - head.RestrictStart
            : id == head.RestrictExtra ? head.RestrictEnd - head.RestrictStart
            : throw new ArgumentException($"Token {id} is not among the ids that may follow, {head.RestrictStart}..{head.RestrictEnd - 1} and {head.RestrictExtra}.", nameof(ids)));
}
