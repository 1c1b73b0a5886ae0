namespace LlasaNative.Rewards;

/// <summary>What becomes of a sample that one may refuse to judge.</summary>
public enum RefusalPolicy
{
    /// <summary>Its reward is 0.</summary>
    Zero,

    /// <summary>It is left out of the group and of the loss.</summary>
    Mask,

    /// <summary>It is judged like any other.</summary>
    Keep,
}
