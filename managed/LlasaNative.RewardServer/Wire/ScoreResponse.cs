namespace LlasaNative.Recognition.Wire;

/// <summary>Answer of <c>POST /score</c> and <c>POST /score_wav</c>, as the reference server gives it.</summary>
/// <param name="Nll">Mean negative log-likelihood of the text in nats per token; null when it is not a number.</param>
/// <param name="Transcript">What the recogniser heard.</param>
public sealed record ScoreResponse(double? Nll, string Transcript);
