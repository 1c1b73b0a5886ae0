namespace LlasaNative.Interop.Tests;

/// <summary>A policy of a few thousand parameters with reproducible weights.</summary>
internal static class TinyPolicy
{
    public const int VocabSize = 32;

    public static NativePolicyOptions Options()
    {
        var options = NativePolicyOptions.CreateDefault();
        options.VocabSize = VocabSize;
        options.HiddenSize = 16;
        options.IntermediateSize = 24;
        options.NumLayers = 2;
        options.NumHeads = 2;
        options.NumKvHeads = 1;
        options.HeadDim = 8;
        options.MaxPositionEmbeddings = 64;
        return options;
    }

    public static NativePolicy Create(int seed = 1)
    {
        var policy = new NativePolicy(Options());
        var random = new Random(seed);
        foreach (var tensor in policy.GetTensors())
        {
            policy.SetTensor(tensor.Name, [.. tensor.Shape], Values(random, tensor));
        }

        return policy;
    }

    private static float[] Values(Random random, NativeTensor tensor) =>
        [.. Enumerable.Range(0, (int)tensor.Count).Select(_ => (tensor.Shape.Count == 1 ? 1f : 0f) + (0.2f * (random.NextSingle() - 0.5f)))];
}
