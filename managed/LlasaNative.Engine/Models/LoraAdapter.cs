namespace LlasaNative.Models;

/// <summary>The adapter of a policy: how it begins, and its directory as PEFT reads and writes it.</summary>
/// <remarks>
/// <c>adapter_config.json</c> and <c>adapter_model.safetensors</c> with names such as
/// <c>base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight</c>, float32. <b>Threads:</b> shares its policy's thread.
/// </remarks>
public sealed class LoraAdapter
{
    private readonly NativePolicy _policy;
    private readonly string _base;
    private readonly LoraOptions _options;

    internal LoraAdapter(NativePolicy policy, string basePath, LoraOptions options, ulong seed)
    {
        (_policy, _base, _options) = (policy, basePath, options);
        policy.AttachLora(ToNative(options, seed));
        ulong stream = 0;
        foreach (var tensor in Tensors)
        {
            policy.SetTensor(tensor.Name, [.. tensor.Shape], Start(tensor, seed, stream++));
        }
    }

    /// <summary>Its tensors.</summary>
    public IReadOnlyList<NativeTensor> Tensors => [.. _policy.GetTensors().Where(t => t.IsAdapter)];

    /// <summary>Writes the two files.</summary>
    /// <param name="directory">An existing directory.</param>
    /// <exception cref="ModelFileException">A file cannot be written.</exception>
    public void Save(string directory)
    {
        File.WriteAllBytes(Path.Combine(directory, AdapterInfo.ConfigFile), ToJson());
        var tensors = Tensors;
        using SafeTensorsWriter writer = new(
            Path.Combine(directory, AdapterInfo.WeightsFile), tensors.Select(t => new TensorInfo(t.Name, TensorType.F32, [.. t.Shape])));
        foreach (var tensor in tensors)
        {
            var values = new float[tensor.Count];
            _policy.GetTensor(tensor.Name, values);
            writer.Write(tensor.Name, values);
        }

        writer.Complete();
    }

    /// <summary>Replaces its values by those of a directory with an adapter of the same shape.</summary>
    /// <param name="directory">The directory.</param>
    /// <exception cref="ModelFileException">The file is damaged or of another adapter.</exception>
    public void Load(string directory)
    {
        using var file = SafeTensorsFile.Open(Path.Combine(directory, AdapterInfo.WeightsFile));
        foreach (var tensor in Tensors)
        {
            long[] shape = [.. tensor.Shape];
            var values = file.ReadFloats(tensor.Name);
            var stored = file.GetInfo(tensor.Name);
            ModelFileException.ThrowIf(!stored.HasShape(shape), file.Path, tensor.Name, $"shape {stored.ShapeText}, expected {TensorInfo.FormatShape(shape)}");
            NativeErrors.AboutFile(file.Path, tensor.Name, () => _policy.SetTensor(tensor.Name, shape, values));
        }
    }

    internal static NativeLoraOptions ToNative(LoraOptions options, ulong seed)
    {
        var native = NativeLoraOptions.CreateDefault();
        native.Rank = options.Rank;
        native.Alpha = (float)options.Alpha;
        native.Dropout = (float)options.Dropout;
        native.DropoutSeed = seed;
        native.Targets = options.TargetList.Aggregate((NativeLoraTargets)0, (sum, name) => sum | Bit(name));
        return native;
    }

    private static NativeLoraTargets Bit(string module) => module switch
    {
        "q_proj" => NativeLoraTargets.Q,
        "k_proj" => NativeLoraTargets.K,
        "v_proj" => NativeLoraTargets.V,
        "o_proj" => NativeLoraTargets.O,
        "gate_proj" => NativeLoraTargets.Gate,
        "up_proj" => NativeLoraTargets.Up,
        "down_proj" => NativeLoraTargets.Down,
        _ => throw new ArgumentOutOfRangeException(nameof(module), module, "No such projection."),
    };

    /// <summary>As PEFT begins: B is 0, so that the policy is unchanged; A uniform within 1 / sqrt(inputs).</summary>
    private static float[] Start(NativeTensor tensor, ulong seed, ulong stream)
    {
        var values = new float[tensor.Count];
        if (!tensor.Name.EndsWith(".lora_A.weight", StringComparison.Ordinal))
        {
            return values;
        }

        var bound = 1 / Math.Sqrt(tensor.Shape[1]);
        for (var i = 0; i < values.Length; i++)
        {
            var uniform = (Philox.Draw(seed, (ulong)i, stream).First >> 11) * (1.0 / (1UL << 53));
            values[i] = (float)(bound * ((2 * uniform) - 1));
        }

        return values;
    }

    private byte[] ToJson() => JsonWriting.ToFile(new
    {
        PeftType = "LORA",
        TaskType = "CAUSAL_LM",
        BaseModelNameOrPath = _base,
        R = _options.Rank,
        LoraAlpha = _options.Alpha,
        LoraDropout = _options.Dropout,
        TargetModules = _options.TargetList,
        Bias = "none",
        FanInFanOut = false,
        InferenceMode = true,
    });
}
