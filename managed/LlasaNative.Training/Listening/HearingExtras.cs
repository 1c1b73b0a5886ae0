namespace LlasaNative.Listening;

/// <summary>What is wanted of a sample besides what its reward is made of.</summary>
[Flags]
public enum HearingExtras
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The sound.</summary>
    Sound = 1,

    /// <summary>Melody, pauses, speed.</summary>
    Prosody = 2,
}
