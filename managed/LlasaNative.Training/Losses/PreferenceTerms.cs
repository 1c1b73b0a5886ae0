namespace LlasaNative.Training;

/// <summary>What some pairs came to: numbers per token for training, and what there is to say of them.</summary>
public sealed class PreferenceTerms
{
    private readonly IReadOnlyList<Pair> _pairs;
    private readonly double _divergence;
    private readonly int _chosenTokens;
    private readonly int _rejectedTokens;
    private readonly double _sftWeight;

    internal PreferenceTerms(TokenTerms terms, IReadOnlyList<Pair> pairs, double divergence, int chosenTokens, int rejectedTokens, double sftWeight) =>
        (Terms, _pairs, _divergence, _chosenTokens, _rejectedTokens, _sftWeight) = (terms, pairs, divergence, chosenTokens, rejectedTokens, sftWeight);

    /// <summary>The gradient, as numbers per token.</summary>
    public TokenTerms Terms { get; }

    /// <summary>Whether there were log-probs of a reference.</summary>
    public bool HasReference { get; init; }

    /// <summary>Number of pairs.</summary>
    public int Pairs => _pairs.Count;

    /// <summary>The loss, the cross-entropy of the chosen ones included.</summary>
    public double Loss => PairLoss + (_sftWeight * SftLoss);

    /// <summary>The loss of preferences alone.</summary>
    public double PairLoss => _pairs.Average(p => p.Loss);

    /// <summary>Cross-entropy of the chosen responses, the mean over tokens.</summary>
    public double SftLoss => -_pairs.Sum(p => p.ChosenLogProb) / _chosenTokens;

    /// <summary>Mean implicit reward, beta times the score, of the chosen responses.</summary>
    public double ChosenReward => _pairs.Average(p => p.Chosen);

    /// <summary>Mean implicit reward of the rejected responses.</summary>
    public double RejectedReward => _pairs.Average(p => p.Rejected);

    /// <summary>By how much the chosen responses' reward is the larger.</summary>
    public double Margin => ChosenReward - RejectedReward;

    /// <summary>Share of pairs whose chosen response has the larger reward.</summary>
    public double Accuracy => (double)_pairs.Count(p => p.Chosen > p.Rejected) / _pairs.Count;

    /// <summary>Mean over all tokens of the k3 estimate of the divergence from the reference; NaN without one.</summary>
    public double Kl => HasReference ? _divergence / (_chosenTokens + _rejectedTokens) : double.NaN;

    /// <summary>Writes it all down.</summary>
    /// <param name="row">Where.</param>
    /// <param name="prefix">In front of each name, such as <c>dpo</c>.</param>
    public void AddTo(MetricRow row, string prefix)
    {
        ArgumentNullException.ThrowIfNull(row);
        row.Add($"{prefix}/loss", Loss).Add($"{prefix}/pair_loss", PairLoss).Add($"{prefix}/sft_loss", SftLoss)
            .Add($"{prefix}/accuracy", Accuracy).Add($"{prefix}/margin", Margin).Add($"{prefix}/reward_chosen", ChosenReward).Add($"{prefix}/reward_rejected", RejectedReward)
            .Add($"{prefix}/logprob_chosen", _pairs.Average(p => p.ChosenLogProb))
            .Add($"{prefix}/logprob_rejected", _pairs.Average(p => p.RejectedLogProb));
        if (HasReference)
        {
            row.Add($"{prefix}/kl", Kl);
        }
    }

    /// <summary>A pair: its loss, and implicit rewards and log-probs of its two responses.</summary>
    internal readonly record struct Pair(double Loss, double Chosen, double Rejected, double ChosenLogProb, double RejectedLogProb);
}
