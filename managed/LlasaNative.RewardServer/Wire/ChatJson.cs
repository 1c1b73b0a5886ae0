namespace LlasaNative.Recognition.Wire;

/// <summary>How chat bodies are written and read: snake_case names, nothing that is null; unknown fields are passed over.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, RespectNullableAnnotations = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ChatRequest))]
[JsonSerializable(typeof(ChatResponse))]
[JsonSerializable(typeof(ChatProblem))]
[JsonSerializable(typeof(ChatVerdict))]
internal sealed partial class ChatJson : JsonSerializerContext;
