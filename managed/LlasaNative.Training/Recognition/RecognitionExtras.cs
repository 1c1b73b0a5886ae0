namespace LlasaNative.Recognition;

/// <summary>What is wanted of a sample besides what its reward is made of.</summary>
[Flags]
public enum RecognitionExtras
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The sound.</summary>
    Sound = 1,

    /// <summary>Melody, pauses, speed.</summary>
    Prosody = 2,
}
