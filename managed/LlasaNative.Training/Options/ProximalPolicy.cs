namespace LlasaNative.Training;

/// <summary>Which policy the ratio is taken against.</summary>
public enum ProximalPolicy
{
    /// <summary>The one that drew the samples.</summary>
    Rollout,

    /// <summary>The one at the start of the epoch; importance weights carry the rest of the way to the sampler.</summary>
    Epoch,
}
