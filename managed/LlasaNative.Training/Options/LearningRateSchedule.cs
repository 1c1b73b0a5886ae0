namespace LlasaNative.Training;

/// <summary>What the learning rate does after warm-up.</summary>
public enum LearningRateSchedule
{
    /// <summary>Stays.</summary>
    Constant,

    /// <summary>Falls along half a cosine to the final ratio at the last step.</summary>
    Cosine,

    /// <summary>Falls along a line to the final ratio at the last step.</summary>
    Linear,
}
