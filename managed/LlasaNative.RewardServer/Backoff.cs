namespace LlasaNative.Recognition.Remote;

/// <summary>How long to wait before trying again.</summary>
internal static class Backoff
{
    /// <summary>Longest pause, unless the server asks for a longer one.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromSeconds(10);

    /// <summary>Longest that a server is left alone because it asks for that.</summary>
    public static readonly TimeSpan LongestAsked = TimeSpan.FromSeconds(60);

    /// <summary>Pause after a failure: it doubles with each, and half of it is left to chance so that clients do not return together.</summary>
    /// <param name="first">Seconds after the first failure.</param>
    /// <param name="failures">Failures so far, at least 1.</param>
    /// <param name="retryAfter">What the server asks for; null = nothing.</param>
    public static TimeSpan Pause(double first, int failures, TimeSpan? retryAfter)
    {
        // Only how long to wait is left to chance; no result depends on it.
#pragma warning disable CA5394
        var chance = Random.Shared.NextDouble();
#pragma warning restore CA5394
        var full = Math.Min(first * Math.Pow(2, failures - 1), Longest.TotalSeconds);
        var pause = TimeSpan.FromSeconds(full * (0.5 + (0.5 * chance)));
        var asked = retryAfter is { } wish ? (wish < LongestAsked ? wish : LongestAsked) : TimeSpan.Zero;
        return pause > asked ? pause : asked;
    }
}
