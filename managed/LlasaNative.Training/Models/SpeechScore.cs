namespace LlasaNative.Models;

/// <summary>What the recogniser heard in one clip.</summary>
/// <param name="Transcript">The words, trimmed.</param>
/// <param name="Nll">Mean negative log-likelihood per token of the text that should be heard, in nats; NaN when none was given.</param>
/// <param name="MeanLogProb">Mean log-prob of the transcript's own tokens.</param>
/// <param name="NoSpeechProb">Probability that there is no speech; 0 when the model has no such token.</param>
public readonly record struct SpeechScore(string Transcript, double Nll, double MeanLogProb, double NoSpeechProb)
{
    /// <summary>Whether the clip is longer than the recogniser's window: likelihood, language and silence are of the window alone.</summary>
    public bool BeyondWindow { get; init; }

    /// <summary>Whether the transcript was ended before the recogniser ended it, as <see cref="ScoringOptions.Bound"/> asks.</summary>
    public bool EndedEarly { get; init; }

    /// <summary>Code of the language it was heard in: the one asked for, or the one detected; null where the recogniser does not say.</summary>
    public string? Language { get; init; }
}
