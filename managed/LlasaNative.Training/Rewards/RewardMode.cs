namespace LlasaNative.Rewards;

/// <summary>How a sample is judged.</summary>
public enum RewardMode
{
    /// <summary>Normalised texts; samples without speech or without an end get nothing.</summary>
    Guarded,

    /// <summary>The owner's formula on the raw strings, without guards.</summary>
    Seed,
}
