using System.Runtime.InteropServices;

namespace LlasaNative.Interop.Tests;

/// <summary>An X-Codec2 decoder of 16 codes and 4 samples per code with reproducible weights.</summary>
internal static class TinyCodec
{
    public static NativeCodecOptions Options()
    {
        var options = NativeCodecOptions.CreateDefault();
        options.Layout = NativeCodecLayout.Hf;
        options.HiddenSize = 32;
        options.IntermediateSize = 48;
        options.NumLayers = 1;
        options.NumHeads = 2;
        options.HeadDim = 16;
        options.SemanticHiddenSize = 16;
        options.SemanticNumHeads = 2;
        options.QuantizationDim = 16 + 32;
        options.NumLevels = 2;
        options.Levels = default;
        options.Levels[0] = 4;
        options.Levels[1] = 4;
        options.NumRatios = 2;
        options.Ratios = default;
        options.Ratios[0] = 2;
        options.Ratios[1] = 2;
        return options;
    }

    public static NativeCodec Create()
    {
        var codec = new NativeCodec(Options());
        var random = new Random(3);
        foreach (var tensor in codec.GetTensors().Where(t => !t.IsOptional))
        {
            var values = Enumerable.Range(0, (int)tensor.Count).Select(_ => 0.2f * random.NextSingle()).ToArray();
            codec.SetTensor(tensor.Name, NativeDType.F32, [.. tensor.Shape], MemoryMarshal.AsBytes(values.AsSpan()));
        }

        return codec;
    }
}
