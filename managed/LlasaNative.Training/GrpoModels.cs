namespace LlasaNative.Training;

/// <summary>The models of the flow: who speaks and who listens.</summary>
/// <remarks><b>Threads:</b> one at a time. <b>Lifetime:</b> disposing it disposes both.</remarks>
public sealed class GrpoModels : IDisposable
{
    /// <summary>Brings the two together.</summary>
    /// <param name="policy">Who speaks; disposed with this.</param>
    /// <param name="recognition">Who listens; disposed with this.</param>
    /// <exception cref="ModelFileException">The policy speaks codes that the recognition does not understand; both are disposed.</exception>
    public GrpoModels(IPolicy policy, IRecognition recognition)
    {
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentNullException.ThrowIfNull(recognition);
        Policy = policy;
        Recognition = recognition;
        if (policy.CodeCount > recognition.CodeCount)
        {
            Dispose();
            throw new ModelFileException(policy.Name, "tokenizer.json", $"has {policy.CodeCount} speech tokens, but {recognition.Name} has {recognition.CodeCount} codes");
        }
    }

    /// <summary>Speaks.</summary>
    public IPolicy Policy { get; }

    /// <summary>Turns codes into sound and listens.</summary>
    public IRecognition Recognition { get; }

    /// <summary>Encodes a text, if both models have room for it.</summary>
    /// <param name="text">What to say.</param>
    /// <param name="maxNewTokens">Room the response needs.</param>
    /// <param name="maxPromptTokens">Longest prompt; 0 = what the policy has room for.</param>
    /// <param name="voice">Whose voice it is to be said in; null = any.</param>
    /// <exception cref="UsageException">It is empty, or too long for a model.</exception>
    public EncodedText Encode(string text, int maxNewTokens, int maxPromptTokens = 0, Utterance? voice = null)
    {
        var prompt = Policy.EncodePrompt(text, maxNewTokens, maxPromptTokens, voice);
        Recognition.CheckText(text);
        return new EncodedText(text, prompt) { Voice = voice };
    }

    /// <summary>Encodes texts, if both models have room for all of them.</summary>
    /// <param name="texts">What to say.</param>
    /// <param name="maxNewTokens">Room the responses need.</param>
    /// <param name="maxPromptTokens">Longest prompt; 0 = what the policy has room for.</param>
    /// <exception cref="UsageException">One is empty, or too long for a model.</exception>
    public EncodedText[] Encode(IReadOnlyCollection<string> texts, int maxNewTokens, int maxPromptTokens = 0)
    {
        ArgumentNullException.ThrowIfNull(texts);
        Recognition.Announce(texts);
        return [.. texts.Select(text => Encode(text, maxNewTokens, maxPromptTokens))];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Recognition.Dispose();
        Policy.Dispose();
    }
}
