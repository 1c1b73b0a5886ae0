namespace LlasaNative.Recognition.Wire;

/// <summary>The object that a judge answers with.</summary>
internal sealed record ChatVerdict
{
    /// <summary>A, B or tie.</summary>
    public required string Better { get; init; }
}
