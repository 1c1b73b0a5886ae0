namespace LlasaNative.Training;

/// <summary>An array that a trainer keeps for each parameter.</summary>
public enum OptimiserState
{
    /// <summary>AdamW's mean of gradients.</summary>
    Moment1,

    /// <summary>AdamW's mean of squared gradients.</summary>
    Moment2,
}
