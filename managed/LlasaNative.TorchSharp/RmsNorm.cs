namespace LlasaNative.Torch;

/// <summary>y = x / sqrt(mean(x²) + epsilon) · gain, over the last axis (arXiv 1910.07467).</summary>
internal sealed class RmsNorm : nn.Module<Tensor, Tensor>
{
    private readonly Parameter _weight;
    private readonly double _epsilon;

    /// <param name="name">Of the module; its gain is <paramref name="name"/><c>.weight</c>.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <param name="parameters">Where the gain is looked up.</param>
    public RmsNorm(string name, double epsilon, PolicyParameters parameters)
        : base(name)
    {
        _weight = parameters[name + ".weight"];
        _epsilon = epsilon;
        register_parameter("weight", _weight);
    }

    public override Tensor forward(Tensor input) => input * rsqrt(input.pow(2).mean([-1], true) + _epsilon) * _weight;
}
