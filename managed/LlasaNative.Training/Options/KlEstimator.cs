namespace LlasaNative.Training;

/// <summary>How the KL divergence from the reference is estimated from one token (joschu.net/blog/kl-approx.html).</summary>
public enum KlEstimator
{
    /// <summary>exp(ref - logp) - (ref - logp) - 1.</summary>
    K3,

    /// <summary>logp - ref; as a loss its gradient is 0 in expectation: meant for rewards.</summary>
    K1,

    /// <summary>(logp - ref)² / 2.</summary>
    K2,
}
