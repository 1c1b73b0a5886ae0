namespace LlasaNative.Onnx;

/// <summary>What a model is given of a sound.</summary>
public enum OnnxFeatures
{
    /// <summary>Its samples.</summary>
    Waveform,

    /// <summary>Log energies of mel bands, as Kaldi computes them: what models of speakers are trained on (WeSpeaker).</summary>
    LogMel,
}
