namespace LlasaNative.Data.Parquet;

/// <summary>Entries of one column: levels, and the values that are not null.</summary>
/// <typeparam name="T">The .NET type of the column's stored type.</typeparam>
/// <param name="RepetitionLevels">One level for each entry: 0 starts a row.</param>
/// <param name="DefinitionLevels">One level for each entry: the column's highest level means a value, less a null.</param>
/// <param name="Values">The values in order, without nulls.</param>
/// <remarks><b>Threads:</b> immutable; the arrays are the caller's.</remarks>
public sealed record ParquetColumnData<T>(byte[] RepetitionLevels, byte[] DefinitionLevels, T[] Values);
