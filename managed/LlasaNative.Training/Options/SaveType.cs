namespace LlasaNative.Training;

/// <summary>Element type of saved weights.</summary>
public enum SaveType
{
    /// <summary>float32, exact.</summary>
    F32,

    /// <summary>float16.</summary>
    F16,

    /// <summary>bfloat16.</summary>
    Bf16,
}
