namespace LlasaNative.Trainer.Serving;

/// <summary>A request that cannot be served, as the client is told.</summary>
internal sealed class ProblemException(int status, string kind, string title, string detail) : Exception(detail)
{
    public Problem Problem { get; } = new() { Type = $"urn:llasa:problem:{kind}", Title = title, Status = status, Detail = detail };

    /// <summary>Seconds after which it is worth trying again; null = never.</summary>
    public int? RetryAfter { get; init; }

    /// <summary>The field of the request that is at fault; null = no single one.</summary>
    public string? Parameter { get; init; }

    public static ProblemException Invalid(string detail) => new(422, "invalid-request", "The request asks for something that is not possible", detail);

    public static ProblemException Malformed(string detail, string? parameter = null) => new(400, "malformed-request", "The body cannot be read", detail) { Parameter = parameter };

    public static ProblemException Busy(int waiting, int capacity, int retryAfter) =>
        new(429, "queue-full", "Too much waits", $"{waiting} wait, {capacity} may") { RetryAfter = retryAfter };

    public static ProblemException Draining() =>
        new(503, "draining", "The server is about to stop", "it finishes the requests it has and takes no new ones") { RetryAfter = 5 };

    public static ProblemException Late(TimeSpan limit) =>
        new(504, "timeout", "The request took too long", FormattableString.Invariant($"no result within {limit.TotalSeconds:0.###} s"));
}
