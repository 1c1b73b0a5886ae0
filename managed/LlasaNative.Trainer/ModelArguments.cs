using System.CommandLine;
using LlasaNative.Training;

namespace LlasaNative.Trainer;

/// <summary>The options that name model directories.</summary>
internal sealed class ModelArguments
{
    public Option<string> Policy { get; } = new("--policy") { Description = "Directory or hf://OWNER/NAME of the Llama policy; default: the tiny one." };

    public Option<string> Codec { get; } = new("--codec") { Description = "Directory or hf://OWNER/NAME of the X-Codec2 codec; default: the tiny one." };

    public Option<string> Recogniser { get; } = new("--recogniser") { Description = "Directory or hf://OWNER/NAME of the Whisper recogniser; default: the tiny one." };

    public IEnumerable<Option> All => [Policy, Codec, Recogniser];

    public ModelOptions Read(ParseResult parsed) => TinyWorld.Fill(new ModelOptions
    {
        Policy = parsed.GetValue(Policy) ?? "",
        Codec = parsed.GetValue(Codec) ?? "",
        Recogniser = parsed.GetValue(Recogniser) ?? "",
    });
}
