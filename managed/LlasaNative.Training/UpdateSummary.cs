namespace LlasaNative.Training;

/// <summary>What the optimiser updates of one step came to.</summary>
internal sealed class UpdateSummary
{
    private double _firstTokens;
    private double _importanceSum;
    private long _importanceCount;

    /// <summary>Updates that were tried.</summary>
    public int Updates { get; private set; }

    /// <summary>Updates that were skipped: nothing to learn from, or a gradient that is not finite.</summary>
    public int Skipped { get; private set; }

    /// <summary>Tokens whose importance weight was cut at the cap.</summary>
    public long Truncated { get; set; }

    /// <summary>Sum of the updates' gradient norms before clipping.</summary>
    public double GradNorm { get; private set; }

    /// <summary>Sum of the factors clipping applied.</summary>
    public double GradScale { get; private set; }

    /// <summary>Statistics of all updates together; the log-prob gap is that of the first alone, before which nothing had changed.</summary>
    public LossStats Loss { get; private set; } = new();

    /// <summary>Unmasked tokens of the first update.</summary>
    public double FirstTokens => Math.Max(_firstTokens, 1);

    /// <summary>Mean importance weight; 1 without any.</summary>
    public double ImportanceMean => _importanceCount == 0 ? 1 : _importanceSum / _importanceCount;

    /// <summary>Counts the importance weights of unmasked tokens.</summary>
    public void AddImportance(ReadOnlySpan<float> weights, ReadOnlySpan<float> policyWeights)
    {
        for (var i = 0; i < weights.Length; i++)
        {
            if (policyWeights[i] != 0)
            {
                (_importanceSum, _importanceCount) = (_importanceSum + weights[i], _importanceCount + 1);
            }
        }
    }

    /// <summary>Counts an update that had nothing to learn from.</summary>
    public void AddEmpty() => (Updates, Skipped) = (Updates + 1, Skipped + 1);

    /// <summary>Counts an update.</summary>
    public void Add(LossStats loss, UpdateStats update)
    {
        _firstTokens = Loss.Tokens == 0 ? loss.Tokens : _firstTokens;
        Loss = Loss.Then(loss);
        Updates++;
        Skipped += update.Skipped ? 1 : 0;
        GradNorm += update.GradNorm;
        GradScale += update.GradScale;
    }
}
