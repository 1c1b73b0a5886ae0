namespace LlasaNative.Training;

/// <summary>Whether finished samples are scored while others are still drawn. No result depends on it.</summary>
public enum OverlapScoring
{
    /// <summary>With reward servers, whose processors would otherwise wait; not with models in this process, which share them.</summary>
    Auto,

    /// <summary>Always.</summary>
    Always,

    /// <summary>Never: samples are scored once all are drawn.</summary>
    Never,
}
