using System.Net;

namespace LlasaNative.Trainer.Serving;

/// <summary>Where a server listens, whom it lets in, and what it puts up with.</summary>
internal abstract record HttpOptions
{
    /// <summary>Address that is listened on.</summary>
    public IPAddress Address { get; init; } = IPAddress.Loopback;

    /// <summary>Port; 0 = one that is free.</summary>
    public int Port { get; init; }

    /// <summary>Largest body.</summary>
    public long MaxBodyBytes { get; init; } = 16 << 20;

    /// <summary>Longest that a request may take, waiting included.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Longest that requests at hand are given when the server is told to stop.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>What clients must present; null = nothing.</summary>
    public string? Token { get; init; }

    /// <summary>Environment variable that holds the token when no file does.</summary>
    public abstract string TokenVariable { get; }

    /// <summary>Refuses what makes no sense.</summary>
    /// <exception cref="UsageException">Some options are out of range; the message lists every one.</exception>
    public void Validate()
    {
        List<string> faults = [];
        Require(Port is >= 0 and <= 65535, $"--port: {Port} is not 0 to 65535");
        CheckOwn(Require);
        Require(MaxBodyBytes is >= 1024 and <= 1L << 31, "--max-body-mb is not more than 0 and at most 2048");
        Require(RequestTimeout > TimeSpan.Zero && RequestTimeout <= TimeSpan.FromHours(1), "--timeout is not more than 0 and at most 3600");
        Require(DrainTimeout >= TimeSpan.Zero && DrainTimeout <= TimeSpan.FromHours(1), "--drain is not 0 to 3600");
        Require(Token is null || Token.Length >= 16, "the token is shorter than 16 characters");
        Require(
            Token is not null || IPAddress.IsLoopback(Address),
            $"--listen: {Address} can be reached from outside, so a token is needed: --token-file or the variable {TokenVariable}");
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

    /// <summary>Checks what a server has besides.</summary>
    /// <param name="require">Given what must hold, and the fault if it does not.</param>
    protected abstract void CheckOwn(Action<bool, string> require);
}
