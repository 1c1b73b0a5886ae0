namespace LlasaNative.Data.Parquet;

/// <summary>One page with its header, expanded.</summary>
/// <param name="Header">The header.</param>
/// <param name="Repetition">Runs of repetition levels (version 2 only).</param>
/// <param name="Definition">Runs of definition levels (version 2 only).</param>
/// <param name="Body">Values; before them, in a data page of version 1, the levels.</param>
internal readonly record struct Page(
    PageHeader Header, ReadOnlyMemory<byte> Repetition, ReadOnlyMemory<byte> Definition, ReadOnlyMemory<byte> Body);
