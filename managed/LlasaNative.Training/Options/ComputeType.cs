namespace LlasaNative.Training;

/// <summary>Element type of the matrices that a model computes with. Sums are float32 in any case.</summary>
public enum ComputeType
{
    /// <summary>float32.</summary>
    F32,

    /// <summary>bfloat16.</summary>
    Bf16,
}
