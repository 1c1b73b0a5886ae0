namespace LlasaNative.Reporting.Rating;

/// <summary>What somebody found of a pair.</summary>
public enum RatingChoice
{
    /// <summary>The pair's first sample is the better.</summary>
    A,

    /// <summary>Its second one is.</summary>
    B,

    /// <summary>Neither is the better.</summary>
    Equal,

    /// <summary>Neither is any good.</summary>
    BothBad,
}
