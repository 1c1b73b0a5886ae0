namespace LlasaNative.Training;

/// <summary>AdamW and its learning rate.</summary>
public sealed record OptimiserOptions
{
    /// <summary>Highest learning rate, reached after warm-up.</summary>
    public double LearningRate { get; init; } = 1e-4;

    /// <summary>Steps over which the rate rises linearly.</summary>
    public int WarmupSteps { get; init; } = 5;

    /// <summary>What the rate does after warm-up.</summary>
    public LearningRateSchedule Schedule { get; init; } = LearningRateSchedule.Constant;

    /// <summary>Share of the highest rate that cosine and linear end at.</summary>
    public double FinalRatio { get; init; }

    /// <summary>Steps at the end over which cosine and linear decay; 0 = all after warm-up.</summary>
    public int DecaySteps { get; init; }

    /// <summary>Decay of the first moment.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the second moment.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the root of the second moment.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Decoupled weight decay, on every parameter.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Global L2 norm that gradients are scaled down to; 0 = off.</summary>
    public double MaxGradNorm { get; init; } = 1;

    /// <summary>Tokens of one forward and backward pass.</summary>
    public long MicroBatchTokens { get; init; } = 4096;

    /// <summary>Keep only layer inputs and compute each layer again in the backward pass: less memory, more time.</summary>
    public bool Recompute { get; init; }
}
