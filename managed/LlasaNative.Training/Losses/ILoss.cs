namespace LlasaNative.Training;

/// <summary>From advantages and log-probs to numbers per token: what an algorithm is, besides its advantages.</summary>
/// <remarks>
/// One of your own is named <c>loss.objective: path/to/Mine.dll:Namespace.Class</c>; what holds for <see cref="IAdvantage"/> holds
/// for it. <b>Threads:</b> one at a time.
/// </remarks>
public interface ILoss
{
    /// <summary>What the trainer has to know beside the numbers per token.</summary>
    LossShape Shape { get; }

    /// <summary>Whether it reads log-probs under the starting policy, which is kept then whatever the KL coefficient.</summary>
    bool NeedsReference => false;

    /// <summary>The loss of one update.</summary>
    /// <param name="batch">Its samples; at least one token must count.</param>
    TokenTerms Terms(LossBatch batch);
}
