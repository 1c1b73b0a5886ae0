namespace LlasaNative.Training;

/// <summary>From preferences to the gradient.</summary>
public sealed record PreferenceLossOptions : ICheckedOptions
{
    [Option("dpo: of whole responses; dpo_norm: per token; ipo: a squared distance, per token; simpo: per token, without a reference.")]
    public PreferenceLossKind Loss { get; init; } = PreferenceLossKind.Dpo;

    [Option("How much a log-ratio is worth: the smaller, the further the policy may move. Losses per token want a larger one, such as 2 for simpo and 5 for dpo_norm.", Above = 0)]
    public double Beta { get; init; } = 0.1;

    [Option("simpo: reward that the chosen response must have more than the other.", AtLeast = 0)]
    public double Margin { get; init; } = 0.5;

    [Option("Share of the preferences that are taken to be the wrong way round; not of ipo.", AtLeast = 0, Below = 0.5)]
    public double LabelSmoothing { get; init; }

    [Option("Weight of the cross-entropy of the chosen responses, the mean over their tokens (RPO, arXiv 2404.19733).", AtLeast = 0)]
    public double SftWeight { get; init; }

    [Option("Pairs per step.", AtLeast = 1, AtMost = 1_000_000)]
    public int BatchSize { get; init; } = 16;

    [Option("Restrict head and softmax to speech tokens and the end token.")]
    public bool SpeechOnly { get; init; } = true;

    [Option("How the starting policy is kept: auto keeps it in models.policy_type, but for simpo, which needs none. With an adapter it costs nothing: it is the policy without it.")]
    public ReferenceKind Reference { get; init; } = ReferenceKind.Auto;

    /// <summary>Whether the loss is of log-ratios to the starting policy.</summary>
    public bool NeedsReference => Loss != PreferenceLossKind.Simpo;

    /// <summary>Whether a reference policy is kept.</summary>
    public bool KeepsReference => Reference == ReferenceKind.Auto ? NeedsReference : Reference != ReferenceKind.None;

    /// <summary>Whether log-probs are the mean over a response's tokens, not their sum.</summary>
    public bool IsPerToken => Loss != PreferenceLossKind.Dpo;

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (NeedsReference && Reference == ReferenceKind.None)
        {
            yield return $"`dpo.loss` {OptionNames.Of(Loss)} needs a reference, but `dpo.reference` is none";
        }

        if (Loss == PreferenceLossKind.Ipo && LabelSmoothing > 0)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"`dpo.label_smoothing` {LabelSmoothing:R} contradicts `dpo.loss` ipo, which has none");
        }
    }
}
