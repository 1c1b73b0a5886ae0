namespace LlasaNative.Training;

/// <summary>How the starting policy is kept.</summary>
public enum ReferenceKind
{
    /// <summary>In float32 when the KL coefficient is above 0, else not.</summary>
    Auto,

    /// <summary>Not.</summary>
    None,

    /// <summary>In float32, even when it is only watched.</summary>
    F32,
}
