namespace LlasaNative.Data.Parquet;

/// <summary>Builds the readers for the chosen columns of a schema.</summary>
internal static class NodeReaders
{
    /// <summary>The reader of whole rows; null when no column is chosen.</summary>
    public static GroupReader? ForRows(ParquetSchema schema, Func<ParquetField, ColumnCursor?> open) =>
        Group(schema.Root, 0, open);

    private static GroupReader? Group(ParquetField group, int presence, Func<ParquetField, ColumnCursor?> open)
    {
        List<string> names = [];
        List<NodeReader> children = [];
        foreach (ParquetField child in group.Children)
        {
            if (Field(child, presence, open) is { } reader)
            {
                names.Add(child.Name);
                children.Add(reader);
            }
        }

        return children.Count == 0
            ? null
            : new GroupReader([.. children.SelectMany(child => child.Cursors)], presence, [.. names], [.. children]);
    }

    private static NodeReader? Field(ParquetField field, int parentPresence, Func<ParquetField, ColumnCursor?> open)
    {
        // A repeated field outside a list is itself a list, which is never null.
        if (field.Repetition == ParquetRepetition.Repeated)
        {
            return Element(field, open) is { } element ? new ListReader(element, parentPresence, field) : null;
        }

        if (field.IsLeaf)
        {
            return open(field) is { } cursor ? new LeafReader(cursor, parentPresence) : null;
        }

        int presence = field.MaxDefinitionLevel;
        if (SchemaRules.ListElement(field) is { } item)
        {
            NodeReader? element = item.Repetition == ParquetRepetition.Repeated && item.Parent == field
                ? Element(item, open)
                : Field(item, item.Parent!.MaxDefinitionLevel, open);
            return element is null ? null : new ListReader(element, presence, field.Children[0]);
        }

        if (SchemaRules.MapEntries(field) is { } entries && Group(entries, entries.MaxDefinitionLevel, open) is { } pair)
        {
            // Without its keys a map is only a list of values.
            return pair.Names[0] == entries.Children[0].Name
                ? new MapReader(pair, presence, entries)
                : new ListReader(pair, presence, entries);
        }

        return Group(field, presence, open);
    }

    // One instance of a repeated field.
    private static NodeReader? Element(ParquetField repeated, Func<ParquetField, ColumnCursor?> open)
    {
        if (!repeated.IsLeaf)
        {
            // Old lists of lists put the annotation of the inner list on the repeated field.
            if (SchemaRules.ListElement(repeated) is { } item)
            {
                NodeReader? element = item.Parent == repeated
                    ? Element(item, open)
                    : Field(item, item.Parent!.MaxDefinitionLevel, open);
                return element is null ? null : new ListReader(element, repeated.MaxDefinitionLevel, repeated.Children[0]);
            }

            return Group(repeated, repeated.MaxDefinitionLevel, open);
        }

        return open(repeated) is { } cursor ? new LeafReader(cursor, repeated.MaxDefinitionLevel) : null;
    }
}
