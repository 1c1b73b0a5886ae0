namespace LlasaNative.Training;

/// <summary>Of what the importance weights between policy and sampler are.</summary>
public enum ImportanceLevel
{
    /// <summary>None: every weight is 1.</summary>
    None,

    /// <summary>Each token: min(policy / drawn with, cap).</summary>
    Token,

    /// <summary>Each sequence: min(product over its tokens, cap).</summary>
    Sequence,
}
