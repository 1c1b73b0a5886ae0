namespace LlasaNative.Recognition.Wire;

/// <summary>Answer of <c>GET /healthz</c>.</summary>
public sealed record HealthReport
{
    /// <summary><c>ok</c>, or <c>draining</c> while the server finishes what it has and takes nothing new.</summary>
    public required string Status { get; init; }

    /// <summary>Names of codec and recogniser with a fingerprint of their files: the same string, the same models.</summary>
    public required string Model { get; init; }

    /// <summary><c>cpu</c> or <c>cuda</c>.</summary>
    public required string Backend { get; init; }

    /// <summary>Processor or card.</summary>
    public required string Device { get; init; }

    /// <summary>Compute threads.</summary>
    public int Threads { get; init; }

    /// <summary>Samples that wait.</summary>
    public required int QueueDepth { get; init; }

    /// <summary>Samples that may wait.</summary>
    public required int QueueCapacity { get; init; }

    /// <summary>Most samples of one <c>POST /score_batch</c>.</summary>
    public required int MaxSamples { get; init; }

    /// <summary>Most codes of one sample.</summary>
    public required int MaxCodes { get; init; }

    /// <summary>Codes are 0 to this minus 1.</summary>
    public required int CodeCount { get; init; }

    /// <summary>Whether it knows <see cref="ScoreRequest.Lead"/>.</summary>
    public bool CutsLeads { get; init; }

    /// <summary>Version of the program.</summary>
    public required string Version { get; init; }
}
