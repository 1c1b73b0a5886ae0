namespace LlasaNative.Text;

/// <summary>How a text becomes a prompt.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record PromptOptions
{
    [Option("Chat template; auto reads it off the policy's directory.")]
    public PromptStyle Style { get; init; } = PromptStyle.Auto;

    [Option("Date line of the Llama 3.2 system block.")]
    public string Date { get; init; } = "26 Jul 2024";

    [Option("What the user asks before the text.")]
    public string Instruction { get; init; } = "Convert the text to speech:";
}
