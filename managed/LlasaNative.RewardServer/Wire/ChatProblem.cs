namespace LlasaNative.Recognition.Wire;

/// <summary>An error as OpenAI's API and its like write it.</summary>
internal sealed record ChatProblem
{
    /// <summary>What there is to say of it.</summary>
    public Reason? Error { get; init; }

    /// <summary>A reason.</summary>
    public sealed record Reason
    {
        /// <summary>In words.</summary>
        public string? Message { get; init; }
    }
}
