namespace LlasaNative.RandomCheckpoints;

/// <summary>The three models of the program.</summary>
public enum ModelKind
{
    /// <summary>A Llama that speaks.</summary>
    Policy,

    /// <summary>X-Codec2.</summary>
    Codec,

    /// <summary>Whisper.</summary>
    Recogniser,
}
