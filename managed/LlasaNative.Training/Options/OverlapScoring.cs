namespace LlasaNative.Training;

/// <summary>Whether finished samples are scored while others are still drawn. No result depends on it.</summary>
public enum OverlapScoring
{
    /// <summary>With reward servers, whose processors would otherwise wait, and on a GPU, where models have streams of their own; not with models that share the processor with the rollout.</summary>
    Auto,

    /// <summary>Always.</summary>
    Always,

    /// <summary>Never: samples are scored once all are drawn.</summary>
    Never,
}
