namespace LlasaNative.Training;

/// <summary>Arrays with one entry per response token, by sample.</summary>
internal sealed class TokenValues
{
    private readonly int[] _starts;

    /// <param name="lengths">[B] response tokens of each sample.</param>
    public TokenValues(ReadOnlySpan<int> lengths)
    {
        _starts = new int[lengths.Length + 1];
        for (var b = 0; b < lengths.Length; b++)
        {
            _starts[b + 1] = _starts[b] + lengths[b];
        }
    }

    /// <summary>N, tokens of all samples.</summary>
    public int Count => _starts[^1];

    /// <summary>The entries of some samples, one after another.</summary>
    /// <param name="values">[N], or empty: then so is the result.</param>
    /// <param name="samples">Which.</param>
    public T[] Of<T>(ReadOnlySpan<T> values, IReadOnlyList<int> samples)
    {
        if (values.IsEmpty)
        {
            return [];
        }

        List<T> chosen = [];
        foreach (var b in samples)
        {
            chosen.AddRange(values[_starts[b].._starts[b + 1]]);
        }

        return [.. chosen];
    }

    /// <summary>All entries, from a function that gives those of one sample.</summary>
    /// <param name="ofSample">Copies the entries of a sample into the span.</param>
    public T[] All<T>(Action<int, Span<T>> ofSample)
    {
        var all = new T[Count];
        for (var b = 0; b + 1 < _starts.Length; b++)
        {
            ofSample(b, all.AsSpan(_starts[b].._starts[b + 1]));
        }

        return all;
    }
}
