using System.Net;
using LlasaNative.Trainer.Commands;

namespace LlasaNative.Trainer.Serving;

/// <summary>Everything that decides how the reward server behaves, besides its models.</summary>
internal sealed record ServerOptions
{
    /// <summary>Address that is listened on.</summary>
    public IPAddress Address { get; init; } = IPAddress.Loopback;

    /// <summary>Port; 0 = one that is free.</summary>
    public int Port { get; init; } = 8001;

    /// <summary>Most single samples that are scored together; 1 = no batching.</summary>
    public int MaxBatch { get; init; } = 32;

    /// <summary>Longest that a single sample waits for others.</summary>
    public TimeSpan MaxWait { get; init; } = TimeSpan.FromMilliseconds(2);

    /// <summary>Samples that may wait; more are refused.</summary>
    public int QueueCapacity { get; init; } = 1024;

    /// <summary>Most samples of one batch request.</summary>
    public int MaxSamples { get; init; } = 256;

    /// <summary>Most codes of one sample.</summary>
    public int MaxCodes { get; init; } = 3000;

    /// <summary>Largest body.</summary>
    public long MaxBodyBytes { get; init; } = 16 << 20;

    /// <summary>Longest that a request may take, waiting included.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Longest that requests at hand are given when the server is told to stop.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>What clients must present; null = nothing.</summary>
    public string? Token { get; init; }

    /// <summary>Refuses what makes no sense.</summary>
    /// <exception cref="UsageException">Some options are out of range; the message lists every one.</exception>
    public void Validate()
    {
        List<string> faults = [];
        Require(Port is >= 0 and <= 65535, $"--port: {Port} is not 0 to 65535");
        Require(MaxBatch is >= 1 and <= 4096, $"--max-batch: {MaxBatch} is not 1 to 4096");
        Require(MaxWait >= TimeSpan.Zero && MaxWait <= TimeSpan.FromSeconds(10), "--max-wait-ms is not 0 to 10000");
        Require(QueueCapacity is >= 1 and <= 1_000_000, $"--queue: {QueueCapacity} is not 1 to 1000000");
        Require(MaxSamples is >= 1 and <= 4096, $"--max-samples: {MaxSamples} is not 1 to 4096");
        Require(MaxSamples <= QueueCapacity, $"--max-samples: {MaxSamples} is more than the --queue of {QueueCapacity}");
        Require(MaxCodes is >= 1 and <= 1_000_000, $"--max-codes: {MaxCodes} is not 1 to 1000000");
        Require(MaxBodyBytes is >= 1024 and <= 1L << 31, "--max-body-mb is not more than 0 and at most 2048");
        Require(RequestTimeout > TimeSpan.Zero && RequestTimeout <= TimeSpan.FromHours(1), "--timeout is not more than 0 and at most 3600");
        Require(DrainTimeout >= TimeSpan.Zero && DrainTimeout <= TimeSpan.FromHours(1), "--drain is not 0 to 3600");
        Require(Token is null || Token.Length >= 16, "the token is shorter than 16 characters");
        Require(
            Token is not null || IPAddress.IsLoopback(Address),
            $"--listen: {Address} can be reached from outside, so a token is needed: --token-file or the variable {ServeRewardCommand.TokenVariable}");
        if (faults.Count > 0)
        {
            throw new UsageException(string.Join("; ", faults));
        }

        void Require(bool holds, string fault)
        {
            if (!holds)
            {
                faults.Add(fault);
            }
        }
    }
}
