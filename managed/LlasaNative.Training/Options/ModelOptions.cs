namespace LlasaNative.Training;

/// <summary>Which models take part: Hugging Face directories.</summary>
/// <remarks>An empty path means the tiny model that comes with the program.</remarks>
public sealed record ModelOptions
{
    [Option("Llama policy that is trained.", Takes = "directory", IsPath = true, Verl = "actor_rollout_ref.model.path")]
    public string Policy { get; init; } = "";

    [Option("X-Codec2 codec.", Takes = "directory", IsPath = true)]
    public string Codec { get; init; } = "";

    [Option("Whisper recogniser that judges; *.bin and *.ggml are read by Whisper.net (docs/reward.md).", Takes = "directory, or ggml file", IsPath = true)]
    public string Recogniser { get; init; } = "";

    [Option("Element type of the policy's matrices while it speaks and is trained; the optimiser, checkpoints and sums are float32. q8 (on the CPU) for policies that are not trained.")]
    public ComputeType PolicyType { get; init; } = ComputeType.F32;

    [Option("Element type of the matrices and filters of codec and recogniser; q8 on the CPU.")]
    public ComputeType ScoringType { get; init; } = ComputeType.F32;
}
