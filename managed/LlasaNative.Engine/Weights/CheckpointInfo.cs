namespace LlasaNative.Weights;

/// <summary>A complete checkpoint on disk.</summary>
/// <param name="Step">Training step it was saved after; at least 0.</param>
/// <param name="Path">Its directory.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record CheckpointInfo(long Step, string Path);
