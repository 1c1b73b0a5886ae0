namespace LlasaNative.Recognition.Wire;

/// <summary>Body of <c>POST /check</c>.</summary>
public sealed record CheckRequest
{
    /// <summary>Texts that samples will be compared with.</summary>
    public required string[] Texts { get; init; }

    /// <summary>How the recogniser is to listen; null: as the server was told to.</summary>
    public ScoringRequest? Scoring { get; init; }
}
