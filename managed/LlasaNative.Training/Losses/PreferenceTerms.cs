namespace LlasaNative.Training;

/// <summary>What some pairs came to: numbers per token for training, and what there is to say of them.</summary>
public sealed class PreferenceTerms
{
    private readonly Sums _sums;
    private readonly int _pairs;
    private readonly int _chosenTokens;
    private readonly int _rejectedTokens;
    private readonly double _sftWeight;

    internal PreferenceTerms(TokenTerms terms, Sums sums, int pairs, int chosenTokens, int rejectedTokens, double sftWeight) =>
        (Terms, _sums, _pairs, _chosenTokens, _rejectedTokens, _sftWeight) = (terms, sums, pairs, chosenTokens, rejectedTokens, sftWeight);

    /// <summary>The gradient, as numbers per token.</summary>
    public TokenTerms Terms { get; }

    /// <summary>Whether there were log-probs of a reference.</summary>
    public bool HasReference { get; init; }

    /// <summary>Number of pairs.</summary>
    public int Pairs => _pairs;

    /// <summary>The loss, the cross-entropy of the chosen ones included.</summary>
    public double Loss => PairLoss + (_sftWeight * SftLoss);

    /// <summary>The loss of preferences alone.</summary>
    public double PairLoss => _sums.Loss / _pairs;

    /// <summary>Cross-entropy of the chosen responses, the mean over tokens.</summary>
    public double SftLoss => -_sums.ChosenLogProb / _chosenTokens;

    /// <summary>Mean implicit reward, beta times the score, of the chosen responses.</summary>
    public double ChosenReward => _sums.Chosen / _pairs;

    /// <summary>Mean implicit reward of the rejected responses.</summary>
    public double RejectedReward => _sums.Rejected / _pairs;

    /// <summary>By how much the chosen responses' reward is the larger.</summary>
    public double Margin => ChosenReward - RejectedReward;

    /// <summary>Share of pairs whose chosen response has the larger reward.</summary>
    public double Accuracy => (double)_sums.Right / _pairs;

    /// <summary>Mean over all tokens of the k3 estimate of the divergence from the reference; NaN without one.</summary>
    public double Kl => HasReference ? _sums.Kl / (_chosenTokens + _rejectedTokens) : double.NaN;

    /// <summary>Writes it all down.</summary>
    /// <param name="row">Where.</param>
    /// <param name="prefix">In front of each name, such as <c>dpo</c>.</param>
    public void AddTo(MetricRow row, string prefix)
    {
        ArgumentNullException.ThrowIfNull(row);
        row.Add($"{prefix}/loss", Loss).Add($"{prefix}/pair_loss", PairLoss).Add($"{prefix}/sft_loss", SftLoss)
            .Add($"{prefix}/accuracy", Accuracy).Add($"{prefix}/margin", Margin).Add($"{prefix}/reward_chosen", ChosenReward).Add($"{prefix}/reward_rejected", RejectedReward)
            .Add($"{prefix}/logprob_chosen", _sums.ChosenLogProb / _pairs).Add($"{prefix}/logprob_rejected", _sums.RejectedLogProb / _pairs);
        if (HasReference)
        {
            row.Add($"{prefix}/kl", Kl);
        }
    }

    /// <summary>Sums over pairs.</summary>
    internal sealed class Sums
    {
        public double Loss { get; private set; }

        public double Chosen { get; private set; }

        public double Rejected { get; private set; }

        public double ChosenLogProb { get; private set; }

        public double RejectedLogProb { get; private set; }

        public int Right { get; private set; }

        public double Kl { get; set; }

        public void Add(double loss, double chosen, double rejected, double chosenLogProb, double rejectedLogProb)
        {
            (Loss, Chosen, Rejected) = (Loss + loss, Chosen + chosen, Rejected + rejected);
            (ChosenLogProb, RejectedLogProb) = (ChosenLogProb + chosenLogProb, RejectedLogProb + rejectedLogProb);
            Right += chosen > rejected ? 1 : 0;
        }
    }
}
