namespace LlasaNative.Weights;

/// <summary>The <c>llama3</c> frequency scaling of rotary embeddings.</summary>
/// <param name="Factor">Divides the frequencies of long wavelengths; at least 1.</param>
/// <param name="LowFrequencyFactor">Wavelengths above original / this are divided by <paramref name="Factor"/>.</param>
/// <param name="HighFrequencyFactor">Wavelengths below original / this are kept; between the two they are blended.</param>
/// <param name="OriginalMaxPositions">Context length of the original training, in tokens.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record LlamaRopeScaling(double Factor, double LowFrequencyFactor, double HighFrequencyFactor, int OriginalMaxPositions)
{
    /// <summary>The <c>linear</c> scaling, by which all frequencies are divided: no wavelength is below 2π, so none within one position.</summary>
    /// <param name="factor">What they are divided by.</param>
    public static LlamaRopeScaling Linear(double factor) => new(factor, 1, 2, 1);
}
