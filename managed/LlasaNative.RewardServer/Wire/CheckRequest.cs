namespace LlasaNative.Recognition.Wire;

/// <summary>Body of <c>POST /check</c>.</summary>
/// <param name="Texts">Texts that samples will be compared with.</param>
/// <param name="Scoring">How the recogniser is to listen; null: as the server was told to.</param>
public sealed record CheckRequest(string[] Texts, ScoringRequest? Scoring = null);
