namespace LlasaNative.Data.Parquet;

/// <summary>One row of a file, or one struct within a row: named values in the order of the schema.</summary>
/// <remarks>
/// <para>A value is null, a <see cref="ParquetRow"/> (struct), an <see cref="IReadOnlyList{T}"/> of values (list), an <see cref="IReadOnlyList{T}"/>
/// of pairs (map), a <see cref="string"/>, <c>byte[]</c> that must not be changed, <see cref="bool"/>, the number type of its width,
/// <see cref="DateOnly"/>, <see cref="ParquetTime"/> or <see cref="ParquetDecimal"/>.</para>
/// <para><b>Threads:</b> immutable.</para>
/// </remarks>
public sealed class ParquetRow
{
    private readonly string[] _names;
    private readonly object?[] _values;

    /// <summary>Creates a row.</summary>
    /// <param name="names">Names of the fields; the array is kept.</param>
    /// <param name="values">One value for each name; the array is kept.</param>
    public ParquetRow(string[] names, object?[] values)
    {
        ArgumentNullException.ThrowIfNull(names);
        ArgumentNullException.ThrowIfNull(values);
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.Length, names.Length);
        (_names, _values) = (names, values);
    }

    /// <summary>Number of fields.</summary>
    public int Count => _names.Length;

    /// <summary>Names of the fields.</summary>
    public IReadOnlyList<string> Names => _names;

    /// <summary>The value of a field by its place.</summary>
    /// <param name="index">From 0 to <see cref="Count"/> − 1.</param>
    public object? this[int index] => _values[index];

    /// <summary>The value of a field by its name.</summary>
    /// <param name="name">The name.</param>
    /// <exception cref="KeyNotFoundException">There is no such field.</exception>
    public object? this[string name] => IndexOf(name) is int index and >= 0
        ? _values[index]
        : throw new KeyNotFoundException($"The row has no field `{name}`.");

    /// <summary>The value of a field, perhaps of structs within each other; null when there is none.</summary>
    /// <param name="path">Its name, or a dotted path.</param>
    internal object? Find(string path)
    {
        int dot = path.IndexOf('.', StringComparison.Ordinal);
        object? value = TryGetValue(dot < 0 ? path : path[..dot], out object? found) ? found : null;
        return dot < 0 ? value : (value as ParquetRow)?.Find(path[(dot + 1)..]);
    }

    /// <summary>The place of a field; -1 when there is none.</summary>
    /// <param name="name">The name.</param>
    /// <returns>An index from 0.</returns>
    public int IndexOf(string name) => Array.IndexOf(_names, name);

    /// <summary>The value of a field, or nothing when there is no such field.</summary>
    /// <param name="name">The name.</param>
    /// <param name="value">The value, null when there is none.</param>
    /// <returns>Whether the field exists.</returns>
    public bool TryGetValue(string name, out object? value)
    {
        int index = IndexOf(name);
        value = index < 0 ? null : _values[index];
        return index >= 0;
    }
}
