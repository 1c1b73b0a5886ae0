namespace LlasaNative.Judging;

/// <summary>What a judge said of two recordings, by their place in the question.</summary>
public enum JudgeAnswer
{
    /// <summary>The one that was played first is the better.</summary>
    First,

    /// <summary>The one that was played second is.</summary>
    Second,

    /// <summary>Neither is.</summary>
    Tie,

    /// <summary>Something that is none of these.</summary>
    Other,

    /// <summary>Nothing: the request failed.</summary>
    Failed,
}
