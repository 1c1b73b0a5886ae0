namespace LlasaNative.Rewards;

/// <summary>The reward of the project, in the owner's form or guarded against samples that are not speech.</summary>
/// <remarks>
/// <para>In both modes an empty transcript is compared as what it is, CER 1, never replaced by the reference.</para>
/// <para><b>Threads:</b> immutable, any thread; a pure function of the sample.</para>
/// </remarks>
/// <example>
/// <code>
/// RewardModel model = new(new RewardOptions { Language = "en" });
/// RewardBreakdown judged = model.Score(new SpeechSample { Reference = "a big dog", Transcript = "A pig dog.", Nll = 0.7 });
/// </code>
/// </example>
public sealed class RewardModel
{
    private readonly RewardOptions _options;
    private readonly ITextNormalizer _normalizer;

    /// <summary>Prepares a reward.</summary>
    /// <param name="options">All settings; null for the defaults.</param>
    /// <exception cref="UsageException">A setting is out of range.</exception>
    public RewardModel(RewardOptions? options = null)
    {
        _options = options ?? new RewardOptions();
        if (OptionTree.Faults(_options) is { Count: > 0 } faults)
        {
            throw new UsageException("reward options: " + string.Join("; ", faults));
        }

        _normalizer = CreateNormalizer(_options);
    }

    /// <summary>Judges one sample.</summary>
    /// <param name="sample">What is known about it.</param>
    public RewardBreakdown Score(SpeechSample sample)
    {
        ArgumentNullException.ThrowIfNull(sample);
        (string reference, string transcript) = Compared(_normalizer, sample.Reference, sample.Transcript);
        double cer = CharacterErrorRate.Compute(reference, transcript);
        RewardBreakdown formula = new(
            Reward: HarmonicUtilityReward.Compute(cer, sample.Nll, _options),
            Cer: cer,
            Nll: sample.Nll,
            CerUtility: HarmonicUtilityReward.CerUtility(cer, _options.BetaCer),
            NllUtility: HarmonicUtilityReward.NllUtility(sample.Nll, _options.TauNll),
            CharactersPerSecond: sample.Seconds is > 0 ? CharacterErrorRate.Length(sample.Reference) / sample.Seconds : null,
            LongestCodeRun: sample.Codes is { } codes ? LongestRun(codes.Span) : null,
            Reason: double.IsFinite(sample.Nll) ? RewardReason.None : RewardReason.NotFinite,
            ComparedReference: reference,
            ComparedTranscript: transcript);
        return _options.Mode == RewardMode.Seed ? formula : Guard(formula, sample);
    }

    /// <summary>The judgement of a sample that nobody could listen to: no reward, masked.</summary>
    /// <param name="reference">What it should have said.</param>
    public static RewardBreakdown NotScored(string reference) => new(
        Reward: 0,
        Masked: true,
        Reason: RewardReason.NotScored,
        Cer: double.NaN,
        Nll: double.NaN,
        CerUtility: double.NaN,
        NllUtility: double.NaN,
        ComparedReference: reference,
        ComparedTranscript: "");

    /// <summary>The normaliser that the options ask for; none in seed mode.</summary>
    /// <param name="options">Mode, normalisation and language.</param>
    public static ITextNormalizer CreateNormalizer(RewardOptions options) => CreateNormalizer(NormalizationOf(options));

    /// <summary>The normalisation that the options ask for; none in seed mode.</summary>
    /// <param name="options">Mode, normalisation and language.</param>
    public static TextNormalization NormalizationOf(RewardOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return options.Mode == RewardMode.Seed ? TextNormalization.None
            : options.Normalization != TextNormalization.Auto ? options.Normalization
            : options.Language == "en" ? TextNormalization.English : TextNormalization.Basic;
    }

    /// <summary>A text and its transcript as they are compared.</summary>
    /// <param name="kind">Not <see cref="TextNormalization.Auto"/>.</param>
    /// <param name="text">What should be said.</param>
    /// <param name="transcript">What was heard.</param>
    public static (string Reference, string Transcript) Compared(TextNormalization kind, string text, string transcript) =>
        Compared(CreateNormalizer(kind), text, transcript);

    private static ITextNormalizer CreateNormalizer(TextNormalization kind) => kind switch
    {
        TextNormalization.English => new EnglishTextNormalizer(),
        TextNormalization.Basic => new BasicTextNormalizer(),
        TextNormalization.None => new NoTextNormalizer(),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "No such normalisation."),
    };

    private static int LongestRun(ReadOnlySpan<int> codes)
    {
        int longest = 0;
        int run = 0;
        for (int i = 0; i < codes.Length; i++)
        {
            run = i > 0 && codes[i] == codes[i - 1] ? run + 1 : 1;
            longest = Math.Max(longest, run);
        }

        return longest;
    }

    /// <summary>Whether anything in a text can be pronounced.</summary>
    private static bool HasWords(string text) => text.EnumerateRunes().Any(rune => Rune.IsLetter(rune) || Rune.IsNumber(rune));

    /// <summary>A reference of nothing but punctuation is compared as it stands: normalised it would ask for silence.</summary>
    private static (string Reference, string Transcript) Compared(ITextNormalizer normalizer, string text, string transcript)
    {
        string reference = normalizer.Normalize(text);
        return HasWords(reference) ? (reference, normalizer.Normalize(transcript)) : (text, transcript);
    }

    private RewardBreakdown Guard(RewardBreakdown formula, SpeechSample sample)
    {
        RewardReason reason = FindReason(formula, sample);
        bool masked = (reason == RewardReason.NeverEnded && _options.Unfinished == RefusalPolicy.Mask)
            || (reason == RewardReason.BeyondWindow && _options.BeyondWindow == RefusalPolicy.Mask);
        return reason == RewardReason.None ? formula : formula with { Reward = 0, Masked = masked, Reason = reason };
    }

    private RewardReason FindReason(RewardBreakdown formula, SpeechSample sample) =>
        !sample.Ended && _options.Unfinished != RefusalPolicy.Keep ? RewardReason.NeverEnded
        : sample.BeyondWindow && _options.BeyondWindow != RefusalPolicy.Keep ? RewardReason.BeyondWindow
        : sample.Codes is { IsEmpty: true } ? RewardReason.NoSpeechCodes
        // Written so that NaN counts as silent.
        : sample.Rms is { } rms && _options.SilenceRms > 0 && !(rms >= _options.SilenceRms) ? RewardReason.Silent
        : sample.NoSpeechProbability > _options.NoSpeechThreshold ? RewardReason.NonSpeech
        : HasWords(formula.ComparedTranscript) ? formula.Reason
        : RewardReason.EmptyTranscript;
}
