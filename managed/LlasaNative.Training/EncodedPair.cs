namespace LlasaNative.Training;

/// <summary>A pair of ways of saying a text, and the tokens that ask the policy to say it.</summary>
/// <param name="Pair">Text and codes.</param>
/// <param name="Prompt">Token ids of the prompt, which end in the token that opens speech, or in the voice's codes.</param>
public sealed record EncodedPair(PreferencePair Pair, int[] Prompt)
{
    /// <summary>Encodes a pair.</summary>
    /// <param name="policy">Who is to learn it.</param>
    /// <param name="pair">Text and codes.</param>
    /// <param name="voice">The voice that both go on in, part of the prompt and not of what is learned; null = none.</param>
    /// <exception cref="UsageException">Prompt and codes together are longer than the model allows.</exception>
    public static EncodedPair Of(IPolicy policy, PreferencePair pair, Utterance? voice = null)
    {
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentNullException.ThrowIfNull(pair);
        var longest = Math.Max(pair.Chosen.Count, pair.Rejected.Count) + 1;   // and the end token
        return new EncodedPair(pair, policy.EncodePrompt(pair.Text, longest, 0, voice));
    }
}
