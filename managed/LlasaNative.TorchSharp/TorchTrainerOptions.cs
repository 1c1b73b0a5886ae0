namespace LlasaNative.Torch;

/// <summary>How a policy is trained by TorchSharp: the optimiser's numbers, as the native engine has them.</summary>
/// <param name="Beta1">Decay of the first moment.</param>
/// <param name="Beta2">Decay of the second moment.</param>
/// <param name="Epsilon">Added to the root of the second moment.</param>
/// <param name="WeightDecay">Decoupled weight decay, on every trained parameter.</param>
/// <param name="MaxGradNorm">Largest global L2 norm of the gradients; 0 = any.</param>
/// <param name="Recompute">Whether only the inputs of layers are kept and each layer is computed again on the way back.</param>
/// <param name="MicroBatchTokens">Tokens of one forward and backward pass; at least one sequence.</param>
/// <param name="HeadRows">Rows of logits held at a time; 0 = 64 MiB of them.</param>
/// <param name="AdapterScale">alpha / rank of the policy's adapter; not used without one.</param>
/// <param name="AdapterDropout">Share of the adapter's inputs left out while training. The masks are torch's own, keyed by <see cref="DropoutSeed"/>, step and micro-batch.</param>
/// <param name="DropoutSeed">Key of the dropout masks.</param>
public sealed record TorchTrainerOptions(
    double Beta1 = 0.9, double Beta2 = 0.999, double Epsilon = 1e-8, double WeightDecay = 0, double MaxGradNorm = 1,
    bool Recompute = false, long MicroBatchTokens = 4096, long HeadRows = 0, double AdapterScale = 1, double AdapterDropout = 0,
    ulong DropoutSeed = 0);
