namespace LlasaNative.Training;

/// <summary>Element type of the matrices that a model computes with. Sums are float32 in any case.</summary>
public enum ComputeType
{
    /// <summary>float32.</summary>
    F32,

    /// <summary>bfloat16.</summary>
    Bf16,

    /// <summary>8 bits with a scale for each 32: of models that are not trained, on the CPU.</summary>
    Q8,
}
