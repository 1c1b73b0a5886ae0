namespace LlasaNative.Torch;

/// <summary>One layer of a Llama: attention and feed-forward, each behind a norm and added to the residual stream.</summary>
/// <remarks>As transformers' LlamaDecoderLayer; rows are the tokens of all sequences, one after another.</remarks>
internal sealed class LlamaLayer : nn.Module<Tensor, PackedLayout, Tensor>
{
    private readonly LlamaConfig _config;
    private readonly bool _roundsCache;
    private readonly RmsNorm _inputNorm, _postNorm;
    private readonly Projection _query, _key, _value, _output, _gate, _up, _down;

    /// <param name="index">Layer, from 0.</param>
    /// <param name="config">Sizes.</param>
    /// <param name="parameters">Where the weights are looked up.</param>
    public LlamaLayer(int index, LlamaConfig config, PolicyParameters parameters)
        : base($"model.layers.{index}")
    {
        (_config, _roundsCache) = (config, parameters.Projections.RoundsWeights);
        var name = $"model.layers.{index}";
        _inputNorm = Norm("input_layernorm");
        _postNorm = Norm("post_attention_layernorm");
        _query = Project("self_attn", "q_proj");
        _key = Project("self_attn", "k_proj");
        _value = Project("self_attn", "v_proj");
        _output = Project("self_attn", "o_proj");
        _gate = Project("mlp", "gate_proj");
        _up = Project("mlp", "up_proj");
        _down = Project("mlp", "down_proj");

        RmsNorm Norm(string module) => Registered(module, new RmsNorm($"{name}.{module}", config.RmsNormEpsilon, parameters));
        Projection Project(string block, string module) => Registered(module, new Projection($"{name}.{block}.{module}", parameters));
        T Registered<T>(string module, T made)
            where T : nn.Module
        {
            register_module(module, made);
            return made;
        }
    }

    /// <param name="input">[T, C] residual stream.</param>
    /// <param name="layout">Which rows are whose.</param>
    /// <returns>[T, C] residual stream.</returns>
    public override Tensor forward(Tensor input, PackedLayout layout)
    {
        var attended = input + Attend(_inputNorm.call(input), layout);
        var normed = _postNorm.call(attended);
        return attended + _down.call(nn.functional.silu(_gate.call(normed)) * _up.call(normed));
    }

    // A rollout's cache keeps keys and values in bf16 where the policy computes in it.
    private Tensor Cached(Tensor values) => PolicyParameters.AsMultiplied(values, _roundsCache);

    private Tensor Attend(Tensor normed, PackedLayout layout)
    {
        var rows = normed.shape[0];
        long heads = _config.QueryHeads, shared = _config.KeyValueHeads, width = _config.HeadDimension;
        var query = layout.ByHead(layout.Turn(_query.call(normed).view(rows, heads, width)));
        var key = layout.ByHead(Cached(layout.Turn(_key.call(normed).view(rows, shared, width)))).repeat_interleave(heads / shared, 1);
        var value = layout.ByHead(Cached(_value.call(normed).view(rows, shared, width))).repeat_interleave(heads / shared, 1);
        var mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_casual: true);
        return _output.call(layout.ByRow(mixed).reshape(rows, heads * width));
    }
}
