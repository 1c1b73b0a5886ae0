namespace LlasaNative.Rewards;

/// <summary>What happens when a component of your own throws, hangs or returns something that is not a number.</summary>
public enum ComponentFailure
{
    /// <summary>The run stops, naming the component.</summary>
    Stop,

    /// <summary>The sample is left out of its group and of the loss, and counted.</summary>
    Mask,
}
