namespace LlasaNative.Recognition.Wire;

/// <summary>Body of <c>POST /score_batch</c>: samples that are scored together, and with no others.</summary>
public sealed record BatchRequest
{
    /// <summary>The samples.</summary>
    public required ScoreRequest[] Samples { get; init; }

    /// <summary>How the recogniser is to listen; null: as the server was told to.</summary>
    public ScoringRequest? Scoring { get; init; }

    /// <summary>Whether the sounds are wanted too.</summary>
    public bool Sound { get; init; }

    /// <summary>Whether melody, pauses and speed are wanted too.</summary>
    public bool Prosody { get; init; }
}
