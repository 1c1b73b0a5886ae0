namespace LlasaNative.Recognition.Wire;

/// <summary>Answer of <c>POST chat/completions</c>, as far as it matters here.</summary>
internal sealed record ChatResponse
{
    /// <summary>What was said; one, unless more were wanted.</summary>
    public required Choice[] Choices { get; init; }

    /// <summary>One way to go on.</summary>
    public sealed record Choice
    {
        /// <summary>The message.</summary>
        public required Reply Message { get; init; }
    }

    /// <summary>A message.</summary>
    public sealed record Reply
    {
        /// <summary>Its text; null where the model refuses.</summary>
        public string? Content { get; init; }
    }
}
