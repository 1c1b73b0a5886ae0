namespace LlasaNative.Weights;

/// <summary>How the parameters of an X-Codec2 checkpoint are named and split.</summary>
public enum Xcodec2Layout
{
    /// <summary>Transformers' <c>Xcodec2Model</c>: separate q/k/v projections, weight norm folded in.</summary>
    HuggingFace,

    /// <summary>The published <c>HKUSTAudio/xcodec2</c>: fused <c>c_attn</c>, <c>weight_g</c>/<c>weight_v</c> pairs, buffers.</summary>
    Original,
}
