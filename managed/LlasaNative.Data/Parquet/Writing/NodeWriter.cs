using System.Collections;

namespace LlasaNative.Data.Parquet;

/// <summary>Takes rows apart into columns, the reverse of <see cref="NodeReader"/>.</summary>
internal abstract class NodeWriter(ParquetField field)
{
    protected ParquetField Field { get; } = field;

    /// <summary>Writes one instance.</summary>
    /// <param name="value">The value; may be null.</param>
    /// <param name="repetition">Repetition level of its first entry.</param>
    /// <param name="parent">Definition level of what holds it.</param>
    public void Write(object? value, int repetition, int parent)
    {
        if (value is not null)
        {
            WritePresent(value, repetition);
        }
        else if (Field.Repetition == ParquetRepetition.Required)
        {
            throw Fault("null in a field that must be there");
        }
        else
        {
            WriteAbsent(repetition, parent);
        }
    }

    /// <summary>Writes the placeholder of something absent into each column below.</summary>
    public abstract void WriteAbsent(int repetition, int definition);

    protected abstract void WritePresent(object value, int repetition);

    protected ParquetException Fault(string message) => new(string.Empty, null, Field.Path, null, message);

    public static NodeWriter Create(ParquetField field, ColumnBuffer[] columns)
    {
        NodeWriter inner = field.IsLeaf ? new LeafWriter(field, columns[field.ColumnIndex])
            : SchemaRules.ListElement(field) is not null ? new ListWriter(field, Item(field.Children[0], columns), isMap: false)
            : SchemaRules.MapEntries(field) is { Children.Count: 2 } entries ? new ListWriter(field, Item(entries, columns), isMap: true)
            : new GroupWriter(field, [.. field.Children.Select(child => Create(child, columns))]);
        return field.Repetition == ParquetRepetition.Repeated ? new ListWriter(field, inner, isMap: false) : inner;
    }

    // One instance of the repeated field below a list: the element itself, or a group that holds only the element.
    private static NodeWriter Item(ParquetField repeated, ColumnBuffer[] columns)
    {
        if (repeated.IsLeaf)
        {
            return new LeafWriter(repeated, columns[repeated.ColumnIndex]);
        }

        NodeWriter[] children = [.. repeated.Children.Select(child => Create(child, columns))];
        return SchemaRules.ListElement(repeated.Parent!) is { } element && element != repeated
            ? new WrapperWriter(repeated, children[0])
            : new GroupWriter(repeated, children);
    }
}

/// <summary>A column.</summary>
internal sealed class LeafWriter(ParquetField field, ColumnBuffer column) : NodeWriter(field)
{
    public override void WriteAbsent(int repetition, int definition) => column.AddAbsent(repetition, definition);

    protected override void WritePresent(object value, int repetition) => column.AddValue(value, repetition);
}

/// <summary>A struct, given as a <see cref="ParquetRow"/>; fields that the row does not have are null.</summary>
internal sealed class GroupWriter(ParquetField field, NodeWriter[] children) : NodeWriter(field)
{
    public override void WriteAbsent(int repetition, int definition)
    {
        foreach (NodeWriter child in children)
        {
            child.WriteAbsent(repetition, definition);
        }
    }

    protected override void WritePresent(object value, int repetition)
    {
        if (value is not ParquetRow row)
        {
            throw Fault($"{value.GetType().Name} where a {nameof(ParquetRow)} is expected");
        }

        int known = 0;
        for (int i = 0; i < children.Length; i++)
        {
            // Rows usually have their fields in the schema's order.
            string name = Field.Children[i].Name;
            int index = i < row.Count && row.Names[i] == name ? i : row.IndexOf(name);
            known += index >= 0 ? 1 : 0;
            children[i].Write(index < 0 ? null : row[index], repetition, Field.MaxDefinitionLevel);
        }

        if (known < row.Count)
        {
            string unknown = row.Names.First(name => Field.Children.All(child => child.Name != name));
            throw Fault($"the schema has no field `{unknown}`");
        }
    }
}

/// <summary>The repeated group that only wraps the element of a list.</summary>
internal sealed class WrapperWriter(ParquetField field, NodeWriter element) : NodeWriter(field)
{
    public override void WriteAbsent(int repetition, int definition) => element.WriteAbsent(repetition, definition);

    protected override void WritePresent(object value, int repetition) =>
        element.Write(value, repetition, Field.MaxDefinitionLevel);

    /// <summary>Writes an element that may be null although the wrapper is there.</summary>
    public void WriteElement(object? value, int repetition) => element.Write(value, repetition, Field.MaxDefinitionLevel);
}

/// <summary>A list or map: any sequence; a map is one of pairs.</summary>
internal sealed class ListWriter(ParquetField field, NodeWriter item, bool isMap) : NodeWriter(field)
{
    private readonly ParquetField _repeated = field.Repetition == ParquetRepetition.Repeated ? field : field.Children[0];
    private readonly string[] _pairNames = isMap ? [.. field.Children[0].Children.Select(child => child.Name)] : [];

    public override void WriteAbsent(int repetition, int definition) => item.WriteAbsent(repetition, definition);

    protected override void WritePresent(object value, int repetition)
    {
        if (value is not IEnumerable items || value is string or byte[])
        {
            throw Fault($"{value.GetType().Name} where a sequence is expected");
        }

        int level = repetition;
        foreach (object? one in items)
        {
            object? element = isMap ? Pair(one) : one;
            if (item is WrapperWriter wrapper)
            {
                wrapper.WriteElement(element, level);
            }
            else
            {
                item.Write(element ?? throw Fault("null in a list whose elements must be there"), level, _repeated.MaxDefinitionLevel);
            }

            level = _repeated.MaxRepetitionLevel;
        }

        if (level == repetition)
        {
            // Empty: there, but nothing of the repeated field.
            item.WriteAbsent(repetition, _repeated.MaxDefinitionLevel - 1);
        }
    }

    private ParquetRow Pair(object? one) => one is KeyValuePair<object?, object?> pair
        ? new ParquetRow(_pairNames, [pair.Key, pair.Value])
        : throw Fault($"{one?.GetType().Name ?? "null"} where a pair of a map is expected");
}
