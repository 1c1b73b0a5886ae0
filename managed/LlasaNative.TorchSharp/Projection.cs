namespace LlasaNative.Torch;

/// <summary>A linear map without bias, and beside it a low-rank adapter if there is one: y = x Wᵀ + s (dropout(x) Aᵀ) Bᵀ.</summary>
/// <remarks>arXiv 2106.09685; s = alpha / rank. The weights are the policy's own memory.</remarks>
internal sealed class Projection : nn.Module<Tensor, Tensor>
{
    private readonly Parameter _weight;
    private readonly Parameter? _adapterA;
    private readonly Parameter? _adapterB;
    private readonly ProjectionSettings _settings;

    /// <param name="name">Of the projection's weight, as Hugging Face has it, without <c>.weight</c>.</param>
    /// <param name="parameters">Where the weights are looked up.</param>
    public Projection(string name, PolicyParameters parameters)
        : base(name)
    {
        _weight = parameters[name + ".weight"];
        _adapterA = parameters.Find($"base_model.model.{name}.lora_A.weight");
        _adapterB = parameters.Find($"base_model.model.{name}.lora_B.weight");
        _settings = parameters.Projections;
        register_parameter("weight", _weight);
        if (_adapterA is not null && _adapterB is not null)
        {
            register_parameter("lora_A", _adapterA);
            register_parameter("lora_B", _adapterB);
        }
    }

    public override Tensor forward(Tensor input)
    {
        var output = nn.functional.linear(input, PolicyParameters.AsMultiplied(_weight, _settings.RoundsWeights));
        if (_adapterA is null || _adapterB is null)
        {
            return output;
        }

        var kept = nn.functional.dropout(input, _settings.AdapterDropout, training);
        return output + (nn.functional.linear(nn.functional.linear(kept, _adapterA), _adapterB) * _settings.AdapterScale);
    }
}
