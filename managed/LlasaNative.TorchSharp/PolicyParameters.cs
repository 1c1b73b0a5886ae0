namespace LlasaNative.Torch;

/// <summary>A policy's weights as TorchSharp parameters: the same memory, so what one engine trains the other computes with.</summary>
/// <remarks><b>Lifetime:</b> dispose it before the policy. <b>Threads:</b> the policy's.</remarks>
internal sealed unsafe class PolicyParameters : IDisposable
{
    private readonly Dictionary<string, Parameter> _byName = [];

    /// <param name="policy">Whose weights; complete, and on the CPU.</param>
    /// <param name="projections">How they multiply.</param>
    public PolicyParameters(NativePolicy policy, ProjectionSettings projections)
    {
        Projections = projections;
        var tensors = policy.GetTensors();
        var hasAdapter = tensors.Any(t => IsAdapter(t.Name));
        foreach (var tensor in tensors)
        {
            var trained = !hasAdapter || IsAdapter(tensor.Name);
            var data = policy.GetTensorMemory(tensor.Name, out var dtype);
            Parameter parameter = new(NativeMemory.AsTensor(data, dtype == NativeDType.BF16 ? bfloat16 : float32, [.. tensor.Shape]), trained);
            _byName.Add(tensor.Name, parameter);
            if (trained)
            {
                Trained.Add((tensor.Name, parameter));
            }
        }
    }

    /// <summary>How projections multiply.</summary>
    public ProjectionSettings Projections { get; }

    /// <summary>Those that gradients are for, in model order: the adapter's where there is one, else all.</summary>
    public List<(string Name, Parameter Values)> Trained { get; } = [];

    /// <summary>A parameter.</summary>
    /// <param name="name">Hugging Face name.</param>
    /// <exception cref="KeyNotFoundException">There is none of that name.</exception>
    public Parameter this[string name] => Find(name) ?? throw new KeyNotFoundException($"The policy has no parameter `{name}`.");

    /// <summary>A parameter, or null where there is none of that name.</summary>
    public Parameter? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>The values that a product reads: with bf16 rounded to nearest even, and the gradient passed on as it is.</summary>
    /// <param name="weight">A matrix, or keys or values.</param>
    /// <param name="rounded">Whether the policy computes in bf16.</param>
    public static Tensor AsMultiplied(Tensor weight, bool rounded)
    {
        if (weight.dtype != float32 || !rounded)
        {
            return weight.to(float32);
        }

        Tensor values;
        using (no_grad())
        {
            values = weight.to(bfloat16).to(float32) - weight;
        }

        return weight + values;
    }

    public void Dispose()
    {
        foreach (var parameter in _byName.Values)
        {
            parameter.Dispose();
        }
    }

    private static bool IsAdapter(string name) => name.EndsWith(".lora_A.weight", StringComparison.Ordinal) || name.EndsWith(".lora_B.weight", StringComparison.Ordinal);
}
