using System.Collections;

namespace LlasaNative.Data.Parquet;

/// <summary>Rows that are read anew by each enumeration.</summary>
internal sealed class RowSequence(Func<IEnumerator<ParquetRow>> start) : IEnumerable<ParquetRow>
{
    public IEnumerator<ParquetRow> GetEnumerator() => start();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
