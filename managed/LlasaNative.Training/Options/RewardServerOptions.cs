namespace LlasaNative.Training;

/// <summary>Where rewards are measured when not in this process, and what happens when that fails.</summary>
/// <remarks>None of it changes what a step computes, unless samples are left out.</remarks>
[RemovedOption("reward_server.in_flight", "each server works on 2 requests at once")]
[RemovedOption("reward_server.backoff_seconds", "it is 0.25 s, and doubles with each of `reward_server.retries`")]
public sealed record RewardServerOptions : ICheckedOptions
{
    [Option("Where they are; empty: codec and recogniser run in this process.", Takes = "URLs, separated by commas")]
    public string Servers { get; init; } = "";

    [Option("Longest wait for an answer, also for a judge's.", Above = 0, AtMost = 3600, Unit = "seconds")]
    public double TimeoutSeconds { get; init; } = 120;

    [Option("Further attempts after an error that may pass, also of a judge, after pauses that double up to 10 s.", AtLeast = 0, AtMost = 100)]
    public int Retries { get; init; } = 6;

    /// <summary>Seconds before the first of them.</summary>
    public double BackoffSeconds { get; init; } = 0.25;

    [Option("Share of a step's samples that may be left out because nobody could score them, or of a judge's pairs that may go without an answer; above, the run saves and stops.", AtLeast = 0, AtMost = 1)]
    public double MaxNotScored { get; init; } = 0.1;

    /// <summary>The URLs one by one; empty when rewards are measured in this process.</summary>
    public IReadOnlyList<string> Urls => Servers.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <inheritdoc/>
    public IEnumerable<string> Faults() => Urls.Where(url => !Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
        .Select(url => $"`reward_server.servers`: `{url}` is not a URL such as http://localhost:8001");
}
