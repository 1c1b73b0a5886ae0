namespace LlasaNative.Training;

/// <summary>The starting policy of a run, which what is trained is held against: the policy without its adapter, or a frozen copy.</summary>
/// <remarks><b>Threads:</b> its policy's. <b>Lifetime:</b> make it before the policy is trained, dispose it before the policy.</remarks>
internal sealed class ReferencePolicy : IDisposable
{
    private readonly IPolicy _policy;
    private readonly IPolicy? _copy;

    /// <param name="policy">The one that is trained.</param>
    /// <param name="kind">How a copy is kept; with an adapter there is none, and it costs nothing.</param>
    public ReferencePolicy(IPolicy policy, ReferenceKind kind) =>
        (_policy, _copy) = (policy, policy.HasAdapter ? null : policy.CopyFrozen(kind.TypeBeside(policy.ComputeType)));

    /// <summary>[N] log-probs of response tokens under the reference.</summary>
    /// <param name="score">Asks a policy.</param>
    public float[] LogProbs(Func<IPolicy, float[]> score)
    {
        if (_copy is not null)
        {
            return score(_copy);
        }

        _policy.UseAdapter(false);
        try
        {
            return score(_policy);
        }
        finally
        {
            _policy.UseAdapter(true);
        }
    }

    public void Dispose() => _copy?.Dispose();
}
