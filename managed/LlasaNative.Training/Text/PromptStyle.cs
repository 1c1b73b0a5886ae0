namespace LlasaNative.Text;

/// <summary>The chat template that a Llasa prompt follows.</summary>
public enum PromptStyle
{
    /// <summary>Read off the chat template beside the tokenizer; <see cref="Plain"/> when there is none.</summary>
    Auto,

    /// <summary>Llama 3.1 and 3.2: a system block with two dates comes first.</summary>
    Llama32,

    /// <summary>Llama 3.0 and the tiny world: no system block.</summary>
    Plain,
}
