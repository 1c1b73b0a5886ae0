namespace LlasaNative.Torch;

/// <summary>How a policy is trained by TorchSharp: the optimiser's numbers, as the native engine has them.</summary>
public sealed record TorchTrainerOptions
{
    /// <summary>Decay of the first moment.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the second moment.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the root of the second moment.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Decoupled weight decay, on every trained parameter.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Largest global L2 norm of the gradients; 0 = any.</summary>
    public double MaxGradNorm { get; init; } = 1;

    /// <summary>Whether only the inputs of layers are kept and each layer is computed again on the way back.</summary>
    public bool Recompute { get; init; }

    /// <summary>Tokens of one forward and backward pass; at least one sequence.</summary>
    public long MicroBatchTokens { get; init; } = 4096;

    /// <summary>Rows of logits held at a time; 0 = 64 MiB of them.</summary>
    public long HeadRows { get; init; }

    /// <summary>alpha / rank of the policy's adapter; not used without one.</summary>
    public double AdapterScale { get; init; } = 1;

    /// <summary>Share of the adapter's inputs left out while training. The masks are torch's own, keyed by <see cref="DropoutSeed"/>, step and micro-batch.</summary>
    public double AdapterDropout { get; init; }

    /// <summary>Key of the dropout masks.</summary>
    public ulong DropoutSeed { get; init; }
}
