namespace LlasaNative.Models;

/// <summary>When a transcript ends before the recogniser ends it: once it is so much longer than its text that nothing of the reward is left.</summary>
public enum EarlyEnd
{
    /// <summary>While training, unless a component of one's own reads the transcript; not where the CER itself is the result.</summary>
    Auto,

    /// <summary>Wherever there is a text.</summary>
    Always,

    /// <summary>Never.</summary>
    Never,
}
