namespace LlasaNative.Training;

/// <summary>The order of sequences in which micro-batches are full.</summary>
/// <remarks>
/// A trainer fills micro-batches with sequences as they come and begins a new one where the next does not fit. First-fit decreasing finds bins
/// none of whose sequences fits into one before; bin after bin is therefore an order in which the trainer cuts just these. <b>Threads:</b> any.
/// </remarks>
public static class SequencePacking
{
    /// <summary>Orders sequences.</summary>
    /// <param name="rows">Rows that each computes, at least 1.</param>
    /// <param name="limit">Rows of a micro-batch; a longer sequence is one by itself.</param>
    /// <returns>The indices in order, and the number of micro-batches.</returns>
    public static (int[] Order, int Count) Fill(IReadOnlyList<int> rows, long limit)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        List<(List<int> Indices, long Left)> bins = [];
        foreach (var i in Enumerable.Range(0, rows.Count).OrderByDescending(i => rows[i]))   // a stable order: of equal ones the first comes first
        {
            var bin = bins.FindIndex(b => b.Left >= rows[i]);
            if (bin < 0)
            {
                bin = bins.Count;
                bins.Add(([], limit));
            }

            bins[bin].Indices.Add(i);
            bins[bin] = (bins[bin].Indices, bins[bin].Left - rows[i]);
        }

        return ([.. bins.SelectMany(b => b.Indices)], bins.Count);
    }
}
