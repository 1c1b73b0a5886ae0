namespace LlasaNative.Torch;

/// <summary>Where the tokens of a few sequences lie in rows, and how rows become the padded arrays that attention takes.</summary>
/// <remarks>
/// Padding stands behind each sequence, and attention is causal, so no token ever sees it. The last token of a sequence predicts
/// nothing that is scored, so it has no row. <b>Lifetime:</b> its tensors live until it is disposed.
/// </remarks>
internal sealed class PackedLayout : IDisposable
{
    private readonly long _sequences, _longest;
    private readonly Tensor _rowOfCell, _cellOfRow, _cosines, _sines;

    /// <param name="batch">All sequences.</param>
    /// <param name="first">First of those that are laid out.</param>
    /// <param name="end">One behind the last.</param>
    /// <param name="frequencies">[D/2] rotary frequencies.</param>
    public PackedLayout(NativeTokenBatch batch, int first, int end, double[] frequencies)
    {
        _sequences = end - first;
        List<long> ids = [], positions = [], scored = [], targets = [];
        List<int> lengths = [];
        for (var b = first; b < end; b++)
        {
            int start = (int)batch.Offsets[b], length = (int)(batch.Offsets[b + 1] - start), prompt = (int)batch.PromptLengths[b];
            for (var i = 0; i + 1 < length; i++)
            {
                if (i + 1 >= prompt)
                {
                    scored.Add(ids.Count);
                    targets.Add(batch.TokenIds[start + i + 1]);
                }

                ids.Add(batch.TokenIds[start + i]);
                positions.Add(i);
            }

            lengths.Add(length - 1);
        }

        _longest = Math.Max(1, lengths.Max());
        var rowOfCell = new long[_sequences * _longest];
        var cellOfRow = new long[ids.Count];
        for (int b = 0, row = 0; b < lengths.Count; b++)
        {
            for (var i = 0; i < lengths[b]; i++, row++)
            {
                rowOfCell[(b * _longest) + i] = row;
                cellOfRow[row] = (b * _longest) + i;
            }
        }

        TokenIds = tensor(ids.ToArray());
        ScoredRows = tensor(scored.ToArray());
        TargetIds = [.. targets];
        _rowOfCell = tensor(rowOfCell);
        _cellOfRow = tensor(cellOfRow);
        using var scope = NewDisposeScope();
        // Angles in double: a float's 24 bits would be an error of 1e-4 in an angle of some thousand turns.
        var angles = outer(tensor(positions.ToArray(), float64), tensor(frequencies, float64));
        angles = cat([angles, angles], -1).unsqueeze(1);
        _cosines = angles.cos().to(float32).DetachFromDisposeScope();
        _sines = angles.sin().to(float32).DetachFromDisposeScope();
    }

    /// <summary>[T] token of each row.</summary>
    public Tensor TokenIds { get; }

    /// <summary>[N] rows whose next token is scored.</summary>
    public Tensor ScoredRows { get; }

    /// <summary>[N] those next tokens.</summary>
    public long[] TargetIds { get; }

    /// <summary>Turns each head by its position ("half" style, as transformers' rotate_half).</summary>
    /// <param name="rows">[T, heads, D].</param>
    public Tensor Turn(Tensor rows)
    {
        var halves = rows.chunk(2, -1);
        return (rows * _cosines) + (cat([-halves[1], halves[0]], -1) * _sines);
    }

    /// <summary>[T, heads, D] to [sequences, heads, longest, D].</summary>
    public Tensor ByHead(Tensor rows) =>
        rows.index_select(0, _rowOfCell).view(_sequences, _longest, rows.shape[1], rows.shape[2]).transpose(1, 2);

    /// <summary>The way back, without the padding.</summary>
    public Tensor ByRow(Tensor heads) =>
        heads.transpose(1, 2).reshape(_sequences * _longest, heads.shape[1], heads.shape[3]).index_select(0, _cellOfRow);

    /// <summary>Rotary frequencies of a config, in radians per position.</summary>
    /// <remarks>Of llama3's scaling: many turns within the original context are kept, few are slowed, between they blend.</remarks>
    public static double[] Frequencies(LlamaConfig config)
    {
        var frequencies = new double[config.HeadDimension / 2];
        for (var i = 0; i < frequencies.Length; i++)
        {
            var frequency = Math.Pow(config.RopeTheta, -2.0 * i / config.HeadDimension);
            if (config.RopeScaling is { } scaling)
            {
                var turns = scaling.OriginalMaxPositions * frequency / (2 * Math.PI);
                var keep = Math.Clamp((turns - scaling.LowFrequencyFactor) / (scaling.HighFrequencyFactor - scaling.LowFrequencyFactor), 0, 1);
                frequency = ((1 - keep) * frequency / scaling.Factor) + (keep * frequency);
            }

            frequencies[i] = frequency;
        }

        return frequencies;
    }

    public void Dispose()
    {
        foreach (var values in new[] { TokenIds, ScoredRows, _rowOfCell, _cellOfRow, _cosines, _sines })
        {
            values.Dispose();
        }
    }
}
