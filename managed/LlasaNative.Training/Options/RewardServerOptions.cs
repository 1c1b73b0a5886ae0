namespace LlasaNative.Training;

/// <summary>Where rewards are measured when not in this process, and what happens when that fails.</summary>
/// <remarks>None of it changes what a step computes, unless samples are left out.</remarks>
public sealed record RewardServerOptions
{
    /// <summary>URLs, separated by commas; empty = codec and recogniser run in this process.</summary>
    public string Servers { get; init; } = "";

    /// <summary>Seconds until an answer must have come.</summary>
    public double TimeoutSeconds { get; init; } = 120;

    /// <summary>Further attempts after a transient error.</summary>
    public int Retries { get; init; } = 6;

    /// <summary>Pause before the first further attempt, in seconds; doubles each time, up to 10 s.</summary>
    public double BackoffSeconds { get; init; } = 0.25;

    /// <summary>Requests each server works on at once.</summary>
    public int InFlight { get; init; } = 2;

    /// <summary>Share of a step's samples that may be left out because nobody could listen; above, the run saves and stops.</summary>
    public double MaxNotScored { get; init; } = 0.1;

    /// <summary>The URLs one by one; empty when rewards are measured in this process.</summary>
    public IReadOnlyList<string> Urls => Servers.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <summary>What is wrong with the URLs.</summary>
    internal static IEnumerable<string> Faults(RewardServerOptions options)
    {
        foreach (var url in options.Urls)
        {
            if (!Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
            {
                yield return $"`reward_server.servers`: `{url}` is not a URL such as http://localhost:8001";
            }
        }
    }
}
