namespace LlasaNative.Recognition;

/// <summary>What the second ear heard in a sample.</summary>
/// <param name="Transcript">The words, trimmed.</param>
/// <param name="Nll">Mean negative log-likelihood of the text per token, in nats.</param>
/// <param name="Edits">Character edits between text and transcript, as the reward compares them.</param>
/// <param name="Characters">Characters of the text.</param>
/// <param name="WordEdits">Word edits between text and transcript.</param>
/// <param name="Words">Words of the text.</param>
public sealed record SecondTranscript(string Transcript, double Nll, int Edits, int Characters, int WordEdits, int Words)
{
    /// <summary>Character error rate of the sample; can exceed 1.</summary>
    public double Cer => (double)Edits / Math.Max(Characters, 1);
}
