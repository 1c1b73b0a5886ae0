namespace LlasaNative.Text;

/// <summary>How a text becomes a prompt.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
[RemovedOption("prompt.date", "it is 26 Jul 2024, which the template of Llama 3.2 says where it is not told another", "26 Jul 2024")]
public sealed record PromptOptions
{
    [Option("Chat template; auto reads it off the policy's directory.")]
    public PromptStyle Style { get; init; } = PromptStyle.Auto;

    /// <summary>Date line of the Llama 3.2 system block.</summary>
    public string Date { get; init; } = "26 Jul 2024";

    [Option("What the user asks before the text.")]
    public string Instruction { get; init; } = "Convert the text to speech:";
}
