using LlasaNative.Interop;
using LlasaNative.Models;

namespace LlasaNative.Training;

/// <summary>Options as the native library takes them.</summary>
internal static class NativeOptions
{
    public static SamplingSettings ToSampling(this RolloutOptions options, ulong seed) => new()
    {
        Temperature = options.Temperature,
        TopK = options.TopK,
        TopP = options.TopP,
        MinP = options.MinP,
        RepetitionPenalty = options.RepetitionPenalty,
        MaxNewTokens = options.MaxNewTokens,
        MinNewTokens = options.MinNewTokens,
        SpeechOnly = options.SpeechOnly,
        Seed = seed,
    };

    public static NativeTrainerOptions ToNative(this OptimiserOptions options)
    {
        var native = NativeTrainerOptions.CreateDefault();
        native.Beta1 = (float)options.Beta1;
        native.Beta2 = (float)options.Beta2;
        native.Epsilon = (float)options.Epsilon;
        native.WeightDecay = (float)options.WeightDecay;
        native.MaxGradNorm = (float)options.MaxGradNorm;
        native.Recompute = options.Recompute ? 1 : 0;
        native.MicroBatchTokens = options.MicroBatchTokens;
        return native;
    }

    public static NativeLossOptions ToNative(this LossOptions options)
    {
        var native = NativeLossOptions.CreateDefault();
        native.Kind = NativeLossKind.Grpo;
        native.Aggregation = options.Aggregation switch
        {
            LossAggregation.TokenMean => NativeLossAggregation.TokenMean,
            LossAggregation.SequenceMean => NativeLossAggregation.SequenceMean,
            LossAggregation.Constant => NativeLossAggregation.Constant,
            _ => throw new ArgumentOutOfRangeException(nameof(options), options.Aggregation, "No such aggregation."),
        };
        native.ClipLow = (float)options.ClipLow;
        native.ClipHigh = (float)options.ClipHigh;
        native.DualClip = (float)options.DualClip;
        native.Ratio = options.Ratio == RatioLevel.Sequence ? NativeRatioLevel.Sequence : NativeRatioLevel.Token;
        native.KlEstimator = options.KlEstimator switch
        {
            KlEstimator.K1 => NativeKlEstimator.K1,
            KlEstimator.K2 => NativeKlEstimator.K2,
            KlEstimator.K3 => NativeKlEstimator.K3,
            _ => throw new ArgumentOutOfRangeException(nameof(options), options.KlEstimator, "No such estimator."),
        };
        native.KlCoef = options.KlPlacement == KlPlacement.Loss ? (float)options.KlCoefficient : 0;
        native.EntropyCoef = (float)options.EntropyCoefficient;
        return native;
    }
}
