namespace LlasaNative.Training;

/// <summary>Gradients and optimiser of a policy.</summary>
/// <remarks>
/// An update is any number of <see cref="Accumulate"/>, one <see cref="Reduce"/>, one <see cref="Apply"/>.
/// <b>Threads:</b> its policy's. <b>Lifetime:</b> dispose it before its policy.
/// </remarks>
public interface IPolicyTrainer : IDisposable
{
    /// <summary>Updates that were applied, as opposed to skipped; set when resuming.</summary>
    long StepCount { get; set; }

    /// <summary>⑨ Adds the gradient of a loss.</summary>
    /// <param name="sequences">Prompts with their responses.</param>
    /// <param name="head">Which distribution log-probs are of.</param>
    /// <param name="terms">The loss, as numbers per response token.</param>
    /// <param name="shape">What those numbers cannot say.</param>
    /// <param name="cancellation">Honoured within one micro-batch; the gradient is then undefined.</param>
    LossStats Accumulate(PackedSequences sequences, HeadSettings head, TokenTerms terms, LossShape shape, CancellationToken cancellation);

    /// <summary>Adds up what the processes of a run accumulated, gradient and statistics alike; with one process nothing happens.</summary>
    /// <param name="stats">This process's.</param>
    /// <returns>All processes' together.</returns>
    LossStats Reduce(LossStats stats) => stats;

    /// <summary>⑩ Applies the accumulated gradient and clears it; one that is not finite is skipped.</summary>
    /// <param name="rate">Learning rate.</param>
    UpdateStats Apply(double rate);

    /// <summary>Reads an array that is kept for a parameter.</summary>
    /// <param name="kind">Which.</param>
    /// <param name="name">Of one of <see cref="IPolicy.Trained"/>.</param>
    /// <param name="values">[count] receives it.</param>
    void ReadState(OptimiserState kind, string name, Span<float> values);

    /// <summary>Replaces an array that is kept for a parameter.</summary>
    /// <param name="kind">Which.</param>
    /// <param name="name">Of one of <see cref="IPolicy.Trained"/>.</param>
    /// <param name="values">[count] what it becomes.</param>
    void WriteState(OptimiserState kind, string name, ReadOnlySpan<float> values);
}
