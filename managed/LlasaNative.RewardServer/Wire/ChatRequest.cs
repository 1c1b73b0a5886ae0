namespace LlasaNative.Recognition.Wire;

/// <summary>Body of <c>POST chat/completions</c>, as OpenAI documents it.</summary>
/// <param name="Model">Who is asked.</param>
/// <param name="Messages">What it is told.</param>
/// <param name="Temperature">0: the answer it holds for the likeliest.</param>
internal sealed record ChatRequest(string Model, ChatRequest.Message[] Messages, double Temperature)
{
    /// <summary>A message.</summary>
    /// <param name="Role">Who speaks.</param>
    /// <param name="Content">What is said, in order.</param>
    public sealed record Message(string Role, Part[] Content);

    /// <summary>A part of a message: a text, or a sound.</summary>
    /// <param name="Type"><c>text</c> or <c>input_audio</c>.</param>
    public sealed record Part(string Type)
    {
        /// <summary>The text.</summary>
        public string? Text { get; init; }

        /// <summary>The sound.</summary>
        public Sound? InputAudio { get; init; }
    }

    /// <summary>A sound.</summary>
    /// <param name="Data">The file, in base64.</param>
    /// <param name="Format">Of the file: <c>wav</c>.</param>
    public sealed record Sound(string Data, string Format);
}
