namespace LlasaNative.Training;

/// <summary>Which models take part: Hugging Face directories.</summary>
/// <remarks>An empty path means the tiny model that comes with the program.</remarks>
public sealed record ModelOptions
{
    /// <summary>Directory of the Llama policy that is trained.</summary>
    public string Policy { get; init; } = "";

    /// <summary>Directory of the X-Codec2 codec that turns codes into sound.</summary>
    public string Codec { get; init; } = "";

    /// <summary>Directory of the Whisper recogniser that judges.</summary>
    public string Recogniser { get; init; } = "";

    /// <summary>Element type of the policy's matrices while it speaks, scores and is trained.</summary>
    public ComputeType PolicyType { get; init; } = ComputeType.F32;

    /// <summary>Element type of the matrices and filters of codec and recogniser.</summary>
    public ComputeType ScoringType { get; init; } = ComputeType.F32;
}
