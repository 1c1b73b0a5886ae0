namespace LlasaNative.Data.Parquet;

/// <summary>A run of rows that lies together in the file.</summary>
/// <param name="FirstRow">Index of its first row within the file.</param>
/// <param name="RowCount">Number of rows.</param>
public readonly record struct ParquetRowGroup(long FirstRow, long RowCount);
