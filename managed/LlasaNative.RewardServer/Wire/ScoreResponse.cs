namespace LlasaNative.Recognition.Wire;

/// <summary>Answer of <c>POST /score</c> and <c>POST /score_wav</c>, as the reference server gives it.</summary>
public sealed record ScoreResponse
{
    /// <summary>Mean negative log-likelihood of the text in nats per token; null when it is not a number.</summary>
    public required double? Nll { get; init; }

    /// <summary>What the recogniser heard.</summary>
    public required string Transcript { get; init; }
}
