namespace LlasaNative.Rewards;

/// <summary>What happens to both texts before their character error rate is measured.</summary>
public enum TextNormalization
{
    /// <summary><see cref="English"/> when the language is <c>en</c>, else <see cref="Basic"/>.</summary>
    Auto,

    /// <summary>Nothing.</summary>
    None,

    /// <summary>Whisper's normaliser for any language.</summary>
    Basic,

    /// <summary>Whisper's normaliser for English.</summary>
    English,
}
