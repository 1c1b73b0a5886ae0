namespace LlasaNative.Http;

/// <summary>How patient requests are, and who asks.</summary>
/// <param name="Token">Sent as a bearer token to the home address only; null for none.</param>
/// <param name="RetryDelay">Pause before the first repetition; it doubles each time.</param>
/// <param name="Attempts">How often a request is tried in all.</param>
/// <param name="Silence">How long a server may send nothing before the connection counts as broken.</param>
internal sealed record RequestPolicy(string? Token, TimeSpan RetryDelay, int Attempts, TimeSpan Silence);
