using System.Collections;

namespace LlasaNative.Data.Parquet;

/// <summary>Reads rows of some row groups one after the other; it holds one page and one dictionary per column.</summary>
internal sealed class RowEnumerator : IEnumerator<ParquetRow>
{
    private readonly ParquetReader _reader;
    private readonly ByteSource _source;
    private readonly bool[] _chosen;
    private readonly int _lastGroup;
    private readonly ParquetReadOptions _options;
    private int _group;
    private long _rowInGroup;
    private GroupReader? _rows;

    public RowEnumerator(ParquetReader reader, ByteSource source, bool[] chosen, int firstGroup, int groupCount, ParquetReadOptions options)
    {
        (_reader, _source, _chosen, _options) = (reader, source, chosen, options);
        (_group, _lastGroup) = (firstGroup, firstGroup + groupCount);
    }

    public ParquetRow Current { get; private set; } = null!;

    object IEnumerator.Current => Current;

    public bool MoveNext()
    {
        while (_group < _lastGroup)
        {
            ParquetRowGroup group = _reader.RowGroups[_group];
            try
            {
                if (_rowInGroup < group.RowCount)
                {
                    _rows ??= Open(group);
                    Current = _rows.ReadRow(0);
                    _rowInGroup++;
                    return true;
                }

                CheckGroupEnd();
            }
            catch (ParquetException e)
            {
                throw e.At(_reader.Path, _group, row: group.FirstRow + _rowInGroup);
            }

            (_group, _rowInGroup, _rows) = (_group + 1, 0, null);
        }

        return false;
    }

    public void Reset() => throw new NotSupportedException();

    public void Dispose()
    {
    }

    private GroupReader Open(ParquetRowGroup group) => NodeReaders.ForRows(_reader.Schema, Cursor(group))
        ?? throw new ParquetException("no column is chosen, or the file has none");

    private Func<ParquetField, ColumnCursor?> Cursor(ParquetRowGroup group) => column => _chosen[column.ColumnIndex]
        ? ColumnCursor.Create(_source, column, group.Columns[column.ColumnIndex], _options)
        : null;

    private void CheckGroupEnd()
    {
        foreach (ColumnCursor cursor in _rows?.Cursors ?? [])
        {
            if (!cursor.IsAtEnd)
            {
                throw new ParquetException(string.Empty, null, cursor.Column.Path, null, "it has more rows than its row group");
            }
        }
    }
}
