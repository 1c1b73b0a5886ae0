namespace LlasaNative.Training;

/// <summary>Options as the native library takes them.</summary>
internal static class NativeOptions
{
    public static NativeTrainerOptions ToNative(this OptimiserOptions options)
    {
        var native = NativeTrainerOptions.CreateDefault();
        native.Beta1 = (float)options.Beta1;
        native.Beta2 = (float)options.Beta2;
        native.WeightDecay = (float)options.WeightDecay;
        native.MaxGradNorm = (float)options.MaxGradNorm;
        native.Recompute = options.Recompute switch
        {
            Recompute.False => 0,
            Recompute.True => 1,
            Recompute.Mlp => 2,
            _ => throw new ArgumentOutOfRangeException(nameof(options), options.Recompute, "No such choice."),
        };
        native.OffloadMoments = options.OffloadMoments ? 1 : 0;
        native.MicroBatchTokens = options.MicroBatchTokens;
        return native;
    }

    public static NativeLossOptions ToNative(this LossShape shape)
    {
        var native = NativeLossOptions.CreateDefault();
        native.PolicyTerm = shape.Term switch
        {
            PolicyTerm.Ratio => NativePolicyTerm.Ratio,
            PolicyTerm.LogProb => NativePolicyTerm.LogProb,
            _ => throw new ArgumentOutOfRangeException(nameof(shape), shape.Term, "No such term."),
        };
        native.Ratio = shape.Ratio switch
        {
            RatioLevel.Token => NativeRatioLevel.Token,
            RatioLevel.Sequence => NativeRatioLevel.Sequence,
            _ => throw new ArgumentOutOfRangeException(nameof(shape), shape.Ratio, "No such ratio."),
        };
        native.KlEstimator = shape.KlEstimator switch
        {
            KlEstimator.K1 => NativeKlEstimator.K1,
            KlEstimator.K2 => NativeKlEstimator.K2,
            KlEstimator.K3 => NativeKlEstimator.K3,
            _ => throw new ArgumentOutOfRangeException(nameof(shape), shape.KlEstimator, "No such estimator."),
        };
        native.ClipLow = (float)shape.ClipLow;
        native.ClipHigh = (float)shape.ClipHigh;
        return native;
    }

    public static NativeTokenBatch ToNative(this PackedSequences sequences) => new(sequences.Offsets, sequences.TokenIds, sequences.PromptLengths);

    public static NativeTokenTerms ToNative(this TokenTerms terms) => new()
    {
        Advantages = terms.Advantages,
        PolicyWeights = terms.PolicyWeights,
        KlWeights = terms.KlWeights,
        EntropyWeights = terms.EntropyWeights,
        OldLogProbs = terms.OldLogProbs,
        RefLogProbs = terms.ReferenceLogProbs,
        PolicyCaps = terms.PolicyCaps,
    };

    public static LossStats ToPort(this NativeLossStats stats) => new()
    {
        Loss = stats.Loss,
        PolicyLoss = stats.PolicyLoss,
        Tokens = stats.Tokens,
        KlSum = stats.KlSum,
        EntropySum = stats.EntropySum,
        RatioSum = stats.RatioSum,
        ApproxKlSum = stats.ApproxKlSum,
        ClippedLow = stats.ClippedLow,
        ClippedHigh = stats.ClippedHigh,
        Capped = stats.Capped,
        LogProbGapSum = stats.LogProbGapSum,
        LogProbGapMax = stats.LogProbGapMax,
        ComputedTokens = stats.ComputedTokens,
    };

    public static NativeTrainerState ToNative(this OptimiserState kind) => kind switch
    {
        OptimiserState.Moment1 => NativeTrainerState.Moment1,
        OptimiserState.Moment2 => NativeTrainerState.Moment2,
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "No such state."),
    };
}
