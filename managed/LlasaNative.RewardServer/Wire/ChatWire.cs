namespace LlasaNative.Recognition.Wire;

/// <summary>Body of <c>POST chat/completions</c>, as OpenAI documents it.</summary>
/// <param name="Model">Who is asked.</param>
/// <param name="Messages">What it is told.</param>
/// <param name="Temperature">0: the answer it holds for the likeliest.</param>
internal sealed record ChatRequest(string Model, ChatRequest.Message[] Messages, double Temperature)
{
    /// <summary>What somebody says, in order.</summary>
    public sealed record Message(string Role, Part[] Content);

    /// <summary>A part of a message: a text, or a sound (<c>text</c>, <c>input_audio</c>).</summary>
    public sealed record Part(string Type, string? Text = null, Sound? InputAudio = null);

    /// <summary>A sound: the file in base64, and what it is: <c>wav</c>.</summary>
    public sealed record Sound(string Data, string Format);
}

/// <summary>Answer of <c>POST chat/completions</c>, as far as it matters here: one way to go on, unless more were wanted.</summary>
internal sealed record ChatResponse(ChatResponse.Choice[] Choices)
{
    /// <summary>One way to go on.</summary>
    public sealed record Choice(Reply Message);

    /// <summary>Its text; null where the model refuses.</summary>
    public sealed record Reply(string? Content = null);
}

/// <summary>An error as OpenAI's API and its like write it.</summary>
internal sealed record ChatProblem(ChatProblem.Reason? Error = null)
{
    /// <summary>The reason in words.</summary>
    public sealed record Reason(string? Message = null);
}

/// <summary>The object that a judge answers with: A, B or tie.</summary>
internal sealed record ChatVerdict(string Better);

/// <summary>How chat bodies are written and read: snake_case names, nothing that is null; unknown fields are passed over.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ChatRequest))]
[JsonSerializable(typeof(ChatResponse))]
[JsonSerializable(typeof(ChatProblem))]
[JsonSerializable(typeof(ChatVerdict))]
internal sealed partial class ChatJson : JsonSerializerContext;
