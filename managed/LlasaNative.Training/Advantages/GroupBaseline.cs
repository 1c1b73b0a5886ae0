namespace LlasaNative.Training;

/// <summary>What a reward is compared with in its group; a group of one keeps its reward.</summary>
public enum GroupBaseline
{
    /// <summary>(r - mean) / (unbiased deviation + epsilon).</summary>
    StandardScore,

    /// <summary>r - mean.</summary>
    Mean,

    /// <summary>r - mean of the others.</summary>
    MeanOfOthers,
}
