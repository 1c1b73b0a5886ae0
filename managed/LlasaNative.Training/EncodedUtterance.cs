namespace LlasaNative.Training;

/// <summary>A text, the speech codes of somebody saying it, and the tokens that ask the policy to say it.</summary>
/// <param name="Utterance">Text and codes.</param>
/// <param name="Prompt">Token ids of the prompt, which end in the token that opens speech.</param>
public sealed record EncodedUtterance(Utterance Utterance, int[] Prompt)
{
    /// <summary>Encodes an utterance.</summary>
    /// <param name="policy">Who is to learn it.</param>
    /// <param name="utterance">Text and codes.</param>
    /// <param name="voice">The voice that it goes on in, part of the prompt and not of what is learned; null = none.</param>
    /// <exception cref="UsageException">Prompt and codes together are longer than the model allows.</exception>
    public static EncodedUtterance Of(IPolicy policy, Utterance utterance, Utterance? voice = null)
    {
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentNullException.ThrowIfNull(utterance);
        return new EncodedUtterance(utterance, policy.EncodePrompt(utterance.Text, utterance.Codes.Count + 1, 0, voice));   // and the end token
    }
}
