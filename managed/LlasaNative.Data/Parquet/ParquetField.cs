namespace LlasaNative.Data.Parquet;

/// <summary>One node of a schema: a column with values (a leaf) or a group of fields.</summary>
/// <remarks>
/// Build schemas with the static methods; a field belongs to one schema at most.
/// <b>Threads:</b> immutable once it is part of a <see cref="ParquetSchema"/>.
/// </remarks>
/// <example>
/// <code>
/// ParquetSchema schema = new(
///     ParquetField.Text("data_source"),
///     ParquetField.List("prompt", ParquetField.Group("element", ParquetField.Text("role"), ParquetField.Text("content"))));
/// </code>
/// </example>
public sealed class ParquetField
{
    internal ParquetField(string name, ParquetRepetition repetition)
    {
        Name = name;
        Repetition = repetition;
    }

    /// <summary>The name within the parent.</summary>
    public string Name { get; }

    /// <summary>How often the field occurs in its parent.</summary>
    public ParquetRepetition Repetition { get; private set; }

    /// <summary>How values are stored; null for a group.</summary>
    public ParquetPhysicalType? PhysicalType { get; internal init; }

    /// <summary>Bytes of one value of a fixed-length column; 0 for other types.</summary>
    public int TypeLength { get; internal init; }

    /// <summary>What the values or the group mean.</summary>
    public ParquetLogicalType LogicalType { get; internal init; } = ParquetLogicalType.None;

    /// <summary>The fields of a group, in order; empty for a leaf.</summary>
    public IReadOnlyList<ParquetField> Children { get; internal set; } = [];

    /// <summary>The group that holds this field; null for the root.</summary>
    public ParquetField? Parent { get; private set; }

    /// <summary>Names from below the root to this field, joined by dots.</summary>
    /// <remarks>Made on each call: a damaged schema could make all of them together very long.</remarks>
    public string Path => Parent?.Parent is null ? (Parent is null ? string.Empty : Name) : $"{Parent.Path}.{Name}";

    /// <summary>Index of a leaf among all leaves of the schema; -1 for a group.</summary>
    public int ColumnIndex { get; private set; } = -1;

    /// <summary>Definition level of a value that is there: the optional and repeated fields on the way from the root.</summary>
    public int MaxDefinitionLevel { get; private set; }

    /// <summary>Highest repetition level: the repeated fields on the way from the root.</summary>
    public int MaxRepetitionLevel { get; private set; }

    /// <summary>Whether the field has values.</summary>
    public bool IsLeaf => PhysicalType is not null;

    /// <summary>A column of UTF-8 text.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="repetition">Optional (may be null) unless said otherwise.</param>
    /// <returns>A leaf.</returns>
    public static ParquetField Text(string name, ParquetRepetition repetition = ParquetRepetition.Optional) =>
        Leaf(name, ParquetPhysicalType.ByteArray, ParquetLogicalType.Text, repetition);

    /// <summary>A column of any stored type and meaning.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="type">How values are stored.</param>
    /// <param name="logicalType">What they mean; null for nothing beyond the stored type.</param>
    /// <param name="repetition">Optional (may be null) unless said otherwise.</param>
    /// <param name="typeLength">Bytes of one value of a fixed-length column, at least 1; 0 for other types.</param>
    /// <returns>A leaf.</returns>
    /// <exception cref="ParquetException">The meaning does not fit the stored type.</exception>
    public static ParquetField Leaf(
        string name,
        ParquetPhysicalType type,
        ParquetLogicalType? logicalType = null,
        ParquetRepetition repetition = ParquetRepetition.Optional,
        int typeLength = 0)
    {
        ParquetField field = new(name, repetition)
        {
            PhysicalType = type,
            TypeLength = typeLength,
            LogicalType = logicalType ?? ParquetLogicalType.None,
        };
        SchemaRules.CheckLeaf(field);
        return field;
    }

    /// <summary>A struct.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="children">Its fields, at least one.</param>
    /// <returns>An optional group.</returns>
    public static ParquetField Group(string name, params ParquetField[] children) =>
        new(name, ParquetRepetition.Optional) { Children = children };

    /// <summary>A list in the layout of three levels: <c>name.list.element</c>.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="element">What it holds; the usual name is <c>element</c>.</param>
    /// <returns>An optional group.</returns>
    public static ParquetField List(string name, ParquetField element) => new(name, ParquetRepetition.Optional)
    {
        LogicalType = new ParquetLogicalType(ParquetLogicalKind.List),
        Children = [new ParquetField("list", ParquetRepetition.Repeated) { Children = [element] }],
    };

    /// <summary>A map in the layout <c>name.key_value.{key,value}</c>.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="key">The key, a required field.</param>
    /// <param name="value">The value.</param>
    /// <returns>An optional group.</returns>
    public static ParquetField Map(string name, ParquetField key, ParquetField value) => new(name, ParquetRepetition.Optional)
    {
        LogicalType = new ParquetLogicalType(ParquetLogicalKind.Map),
        Children = [new ParquetField("key_value", ParquetRepetition.Repeated) { Children = [key, value] }],
    };

    /// <summary>Makes the field one that is always there.</summary>
    /// <returns>The same field.</returns>
    /// <exception cref="InvalidOperationException">The field is already part of a schema.</exception>
    public ParquetField Required()
    {
        if (Parent is not null)
        {
            throw new InvalidOperationException($"`{Path}` is already part of a schema.");
        }

        Repetition = ParquetRepetition.Required;
        return this;
    }

    /// <summary>Fills in paths, levels and column indices below a root.</summary>
    internal void Attach(ParquetField? parent, List<ParquetField> leaves)
    {
        Parent = parent;
        if (parent is not null)
        {
            MaxDefinitionLevel = parent.MaxDefinitionLevel + (Repetition == ParquetRepetition.Required ? 0 : 1);
            MaxRepetitionLevel = parent.MaxRepetitionLevel + (Repetition == ParquetRepetition.Repeated ? 1 : 0);
        }

        if (IsLeaf)
        {
            ColumnIndex = leaves.Count;
            leaves.Add(this);
        }

        foreach (ParquetField child in Children)
        {
            child.Attach(this, leaves);
        }
    }
}
