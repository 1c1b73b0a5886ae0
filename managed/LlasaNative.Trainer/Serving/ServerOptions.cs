namespace LlasaNative.Trainer.Serving;

/// <summary>Everything that decides how the reward server behaves, besides its models.</summary>
internal sealed record ServerOptions : HttpOptions
{
    public ServerOptions() => Port = 8001;

    public override string TokenVariable => "LLASA_REWARD_TOKEN";

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

    protected override void CheckOwn(Action<bool, string> require)
    {
        require(MaxBatch is >= 1 and <= 4096, $"--max-batch: {MaxBatch} is not 1 to 4096");
        require(MaxWait >= TimeSpan.Zero && MaxWait <= TimeSpan.FromSeconds(10), "--max-wait-ms is not 0 to 10000");
        require(QueueCapacity is >= 1 and <= 1_000_000, $"--queue: {QueueCapacity} is not 1 to 1000000");
        require(MaxSamples is >= 1 and <= 4096, $"--max-samples: {MaxSamples} is not 1 to 4096");
        require(MaxSamples <= QueueCapacity, $"--max-samples: {MaxSamples} is more than the --queue of {QueueCapacity}");
        require(MaxCodes is >= 1 and <= 1_000_000, $"--max-codes: {MaxCodes} is not 1 to 1000000");
    }
}
