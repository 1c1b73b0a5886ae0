namespace LlasaNative.Data.Parquet;

/// <summary>One turn of a prompt.</summary>
/// <param name="Role">Who speaks: <c>user</c>, <c>assistant</c> or <c>system</c>.</param>
/// <param name="Content">What is said.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record VerlMessage(string Role, string Content);
