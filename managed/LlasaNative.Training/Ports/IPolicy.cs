namespace LlasaNative.Training;

/// <summary>Who speaks: a language model of speech, with its tokenizer and its prompt.</summary>
/// <remarks>
/// What is drawn follows from the weights, the settings and the samples' ids, and from nothing else: neither from other samples nor
/// from how many are drawn at once. <b>Threads:</b> one at a time, together with the trainers made for it. <b>Lifetime:</b> dispose it
/// after them.
/// </remarks>
public interface IPolicy : IDisposable
{
    /// <summary>Where it came from, for messages.</summary>
    string Name { get; }

    /// <summary>Number of different speech codes it can say.</summary>
    int CodeCount { get; }

    /// <summary>What is trained, and so what a checkpoint must hold: the adapter where there is one, else all weights.</summary>
    IReadOnlyList<PolicyTensor> Trained { get; }

    /// <summary>Whether an adapter is trained beside weights that stay as they are: without it the policy is its own reference.</summary>
    bool HasAdapter { get; }

    /// <summary>Element type of the matrices it computes with.</summary>
    ComputeType ComputeType { get; }

    /// <summary>Bytes that its engine holds, for the metrics.</summary>
    long AllocatedBytes { get; }

    /// <summary>② The prompt of a text.</summary>
    /// <param name="text">What to say.</param>
    /// <param name="maxNewTokens">Room the response needs.</param>
    /// <param name="maxPromptTokens">Longest prompt, the voice's part included; 0 = what the model has room for.</param>
    /// <param name="voice">Whose voice is to go on: what it says and its codes are part of the prompt; null = any.</param>
    /// <returns>Token ids that end in the token that opens speech, or in the voice's codes.</returns>
    /// <exception cref="UsageException">The text is empty, or prompt and response together are longer than the model allows.</exception>
    int[] EncodePrompt(string text, int maxNewTokens, int maxPromptTokens = 0, Utterance? voice = null);

    /// <summary>The response that says some codes, the end token included.</summary>
    /// <param name="codes">Speech codes.</param>
    int[] EncodeResponse(IReadOnlyList<int> codes);

    /// <summary>④ The speech codes in a response; other tokens are passed over.</summary>
    /// <param name="response">Token ids.</param>
    int[] ReadCodes(ReadOnlySpan<int> response);

    /// <summary>③ Draws responses.</summary>
    /// <param name="request">To which prompts, how.</param>
    /// <param name="cancellation">Honoured within one token step.</param>
    RolloutBatch Sample(SampleRequest request, CancellationToken cancellation);

    /// <summary>Log-probs of responses.</summary>
    /// <param name="sequences">Prompts with their responses.</param>
    /// <param name="head">Which distribution they are of.</param>
    /// <param name="microBatchTokens">Tokens of one forward pass.</param>
    /// <returns>[N], one per response token.</returns>
    float[] Score(PackedSequences sequences, HeadSettings head, long microBatchTokens);

    /// <summary>Brings weights that ranks hold in parts together for <see cref="Sample"/> and <see cref="Score"/>, until the next gradient.</summary>
    /// <remarks>Every rank calls it. Nothing is done where this process has them all.</remarks>
    void Gather()
    {
    }

    /// <summary>Turns the adapter off and on again; without one it is an error.</summary>
    /// <param name="active">Whether it takes part.</param>
    void UseAdapter(bool active);

    /// <summary>A frozen copy of the weights as they are now. Dispose it.</summary>
    /// <param name="type">Element type of the copy's matrices.</param>
    /// <remarks>
    /// Of weights that ranks hold in parts the copy is in parts, too: every rank makes it, and calls <see cref="Score"/> as often as the others, with no
    /// sequences where it has none.
    /// </remarks>
    IPolicy CopyFrozen(ComputeType type);

    /// <summary>Reads one of <see cref="Trained"/>.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="values">[count] receives it.</param>
    void ReadTensor(string name, Span<float> values);

    /// <summary>Replaces one of <see cref="Trained"/>.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="values">[count] what it becomes.</param>
    void WriteTensor(string name, ReadOnlySpan<float> values);
}
