namespace LlasaNative.Training;

/// <summary>What the backward pass computes again in place of keeping it.</summary>
public enum Recompute
{
    /// <summary>Nothing.</summary>
    False,

    /// <summary>Gate and up of each MLP.</summary>
    Mlp,

    /// <summary>Each layer.</summary>
    True,
}
