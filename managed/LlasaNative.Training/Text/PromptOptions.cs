namespace LlasaNative.Text;

/// <summary>How a text becomes a prompt.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record PromptOptions
{
    /// <summary>The template.</summary>
    public PromptStyle Style { get; init; } = PromptStyle.Auto;

    /// <summary>The date in the system block of <see cref="PromptStyle.Llama32"/>.</summary>
    public string Date { get; init; } = "26 Jul 2024";

    /// <summary>What the user turn says before the text.</summary>
    public string Instruction { get; init; } = "Convert the text to speech:";
}
