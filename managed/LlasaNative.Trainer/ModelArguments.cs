namespace LlasaNative.Trainer;

/// <summary>The options that name model directories.</summary>
internal sealed class ModelArguments
{
    public Option<string> Policy { get; } = new("--policy") { Description = "Directory or hf://OWNER/NAME of the Llama policy; default: the tiny one." };

    public Option<string> Codec { get; } = new("--codec") { Description = "Directory or hf://OWNER/NAME of the X-Codec2 codec; default: the tiny one." };

    public Option<string> Recogniser { get; } = new("--recogniser") { Description = "Directory or hf://OWNER/NAME of the Whisper recogniser, or a ggml file (*.bin, *.ggml); default: the tiny one." };

    public Option<string> SecondEar { get; } = new("--second-ear") { Description = "Directory or hf://OWNER/NAME of another recogniser, or a ggml file, which is heard beside the first and never rewards (evaluation.recogniser)." };

    public Option<string> PolicyType { get; } = new("--policy-type") { Description = "Element type of the policy's matrices: f32, bf16 in half the memory, or on the CPU q8 in a good quarter of it, for a policy that is not trained (models.policy_type)." };

    public Option<string> ScoringType { get; } = new("--scoring-type") { Description = "Element type of the matrices of codec and recogniser: f32, bf16 in half the memory, or on the CPU q8 in a good quarter of it (models.scoring_type)." };

    public IEnumerable<Option> All => [Policy, Codec, Recogniser];

    /// <summary>Directories as the flags say, the tiny ones where they are silent; types as the flags say, else as configured.</summary>
    public ModelOptions Read(ParseResult parsed, ModelOptions? configured = null) => TinyWorld.Fill(new ModelOptions
    {
        Policy = parsed.GetValue(Policy) ?? "",
        Codec = parsed.GetValue(Codec) ?? "",
        Recogniser = parsed.GetValue(Recogniser) ?? "",
        PolicyType = Type(PolicyType, parsed) ?? configured?.PolicyType ?? ComputeType.F32,
        ScoringType = Type(ScoringType, parsed) ?? configured?.ScoringType ?? ComputeType.F32,
    });

    /// <summary>Options with their models and their second ear as the flags say.</summary>
    public GrpoOptions ReadAll(ParseResult parsed, GrpoOptions configured) => configured with
    {
        Models = Read(parsed, configured.Models),
        Evaluation = configured.Evaluation with { Recogniser = parsed.GetValue(SecondEar) ?? configured.Evaluation.Recogniser },
    };

    private static ComputeType? Type(Option<string> option, ParseResult parsed) =>
        parsed.GetValue(option) is { } name ? CommandLine.Parse<ComputeType>(option.Name, name) : null;
}
