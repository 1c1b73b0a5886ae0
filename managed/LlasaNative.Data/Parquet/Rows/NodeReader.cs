namespace LlasaNative.Data.Parquet;

/// <summary>
/// Puts rows together from columns (Dremel assembly). Each node reads one instance of its field; the leftmost column below it
/// decides whether it is there, and every other column must agree.
/// </summary>
/// <param name="cursors">All columns below the node, at least one.</param>
/// <param name="presence">Definition level from which on the node is there.</param>
internal abstract class NodeReader(ColumnCursor[] cursors, int presence)
{
    public ColumnCursor[] Cursors { get; } = cursors;

    public ColumnCursor First { get; } = cursors[0];

    protected int Presence { get; } = presence;

    /// <summary>Reads one instance.</summary>
    /// <param name="repetition">Repetition level that the first entry of every column must have.</param>
    public object? Read(int repetition)
    {
        if (First.Definition >= Presence)
        {
            return ReadPresent(repetition);
        }

        SkipAbsent(repetition);
        return null;
    }

    protected abstract object? ReadPresent(int repetition);

    /// <summary>Passes the one entry that stands for something absent in each column.</summary>
    protected void SkipAbsent(int repetition)
    {
        int definition = First.Definition;
        foreach (ColumnCursor cursor in Cursors)
        {
            if (cursor.Definition != definition || cursor.Repetition != repetition || cursor.IsAtEnd)
            {
                throw Disagree(cursor);
            }

            cursor.Advance();
        }
    }

    protected static ParquetException Disagree(ColumnCursor cursor) => new(
        string.Empty, null, cursor.Column.Path, null, "its levels do not agree with those of the columns beside it, or end too early");
}

/// <summary>A column.</summary>
internal sealed class LeafReader(ColumnCursor cursor, int parentPresence)
    : NodeReader([cursor], cursor.Column.MaxDefinitionLevel)
{
    protected override object? ReadPresent(int repetition) => ReadValue(repetition);

    /// <summary>Like <see cref="NodeReader.Read"/>, without a virtual call on the way.</summary>
    public object? ReadValue(int repetition)
    {
        ColumnCursor at = First;
        int definition = at.Definition;
        if (at.Repetition != repetition || definition < parentPresence || definition < 0)
        {
            throw Disagree(at);
        }

        object? value = null;
        if (definition == Presence)
        {
            try
            {
                value = at.Value();
            }
            catch (ParquetException e)
            {
                throw e.At(string.Empty, column: at.Column.Path);
            }
        }

        at.Advance();
        return value;
    }
}

/// <summary>A struct.</summary>
internal sealed class GroupReader(ColumnCursor[] cursors, int presence, string[] names, NodeReader[] children)
    : NodeReader(cursors, presence)
{
    public string[] Names { get; } = names;

    protected override object ReadPresent(int repetition) => ReadRow(repetition);

    public ParquetRow ReadRow(int repetition)
    {
        object?[] values = new object?[children.Length];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = children[i] is LeafReader leaf ? leaf.ReadValue(repetition) : ReadChild(children[i], repetition);
        }

        return new ParquetRow(Names, values);
    }

    private object? ReadChild(NodeReader child, int repetition)
    {
        if (child.First.Definition < Presence)
        {
            throw Disagree(child.First);
        }

        return child.Read(repetition);
    }
}

/// <summary>A list, or a repeated field that is one.</summary>
/// <param name="element">What it holds.</param>
/// <param name="presence">Definition level from which on the list is there.</param>
/// <param name="repeated">The field that repeats.</param>
internal class ListReader(NodeReader element, int presence, ParquetField repeated) : NodeReader(element.Cursors, presence)
{
    protected override object? ReadPresent(int repetition)
    {
        if (First.Definition < repeated.MaxDefinitionLevel)
        {
            SkipAbsent(repetition);
            return Finish([]);
        }

        List<object?> items = [];
        int level = repetition;
        do
        {
            // The element reader sees an entry only at or above the level of the repeated field.
            if (First.Definition < repeated.MaxDefinitionLevel)
            {
                throw Disagree(First);
            }

            items.Add(element.Read(level));
            level = repeated.MaxRepetitionLevel;
        }
        while (First.Repetition == level && !First.IsAtEnd);
        return Finish(items);
    }

    protected virtual object Finish(List<object?> items) => items.ToArray();
}

/// <summary>A map: pairs in the order of the file.</summary>
internal sealed class MapReader(NodeReader entry, int presence, ParquetField repeated) : ListReader(entry, presence, repeated)
{
    protected override object Finish(List<object?> items)
    {
        KeyValuePair<object?, object?>[] pairs = new KeyValuePair<object?, object?>[items.Count];
        for (int i = 0; i < pairs.Length; i++)
        {
            ParquetRow entry = (ParquetRow)items[i]!;
            pairs[i] = new KeyValuePair<object?, object?>(entry[0], entry.Count > 1 ? entry[1] : null);
        }

        return pairs;
    }
}
