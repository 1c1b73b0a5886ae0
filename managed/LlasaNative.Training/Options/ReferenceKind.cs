namespace LlasaNative.Training;

/// <summary>How the starting policy is kept.</summary>
public enum ReferenceKind
{
    /// <summary>In the policy's own type when the KL coefficient is above 0 or the objective needs it, else not.</summary>
    Auto,

    /// <summary>Not.</summary>
    None,

    /// <summary>In float32, even when it is only watched.</summary>
    F32,

    /// <summary>In bfloat16, half the memory, even when it is only watched.</summary>
    Bf16,

    /// <summary>In 8 bits, a good quarter of the memory, even when it is only watched; on the CPU.</summary>
    Q8,
}
