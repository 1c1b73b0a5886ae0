namespace LlasaNative.Training;

/// <summary>What a step's rewards came to.</summary>
/// <param name="Sequences">[B] of each sample; 0 where it takes no part.</param>
/// <param name="Tokens">[N] of each response token, from the estimators that tell tokens apart; else empty.</param>
public readonly record struct Advantages(float[] Sequences, float[] Tokens)
{
    /// <summary>The same for all tokens of a sample.</summary>
    /// <param name="sequences">[B].</param>
    public Advantages(float[] sequences)
        : this(sequences, [])
    {
    }

    /// <summary>One for each response token of some samples.</summary>
    /// <param name="layout">Which tokens are whose.</param>
    /// <param name="samples">Which samples, in order.</param>
    internal float[] OfTokens(TokenValues layout, IReadOnlyList<int> samples)
    {
        if (Tokens.Length > 0)
        {
            return layout.Of<float>(Tokens, samples);
        }

        var sequences = Sequences;
        return layout.Of<float>(layout.All<float>((b, span) => span.Fill(sequences[b])), samples);
    }
}
