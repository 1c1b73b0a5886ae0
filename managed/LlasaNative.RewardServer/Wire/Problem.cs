namespace LlasaNative.Recognition.Wire;

/// <summary>An error as RFC 9457 has it, <c>application/problem+json</c>.</summary>
public sealed record Problem
{
    /// <summary>Media type of the body.</summary>
    public const string MediaType = "application/problem+json";

    /// <summary>Names the kind of error: <c>urn:llasa:problem:</c> and a word.</summary>
    public string Type { get; init; } = "about:blank";

    /// <summary>The kind of error in words.</summary>
    public string? Title { get; init; }

    /// <summary>The HTTP status.</summary>
    public int Status { get; init; }

    /// <summary>What was wrong with this request: what was expected, what came.</summary>
    public string? Detail { get; init; }
}
