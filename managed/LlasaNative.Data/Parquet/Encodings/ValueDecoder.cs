namespace LlasaNative.Data.Parquet;

/// <summary>Decodes the values of one page, a part at a time.</summary>
internal abstract class ValueDecoder<T>
{
    /// <summary>Fills the span with the next values.</summary>
    /// <exception cref="ParquetException">The page does not hold that many, or they are damaged.</exception>
    public abstract void Decode(Span<T> destination);
}
