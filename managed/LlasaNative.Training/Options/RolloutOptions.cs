namespace LlasaNative.Training;

/// <summary>How speech is drawn from the policy while training.</summary>
public sealed record RolloutOptions
{
    /// <summary>Texts per step.</summary>
    public int PromptsPerStep { get; init; } = 16;

    /// <summary>Samples per text: the size of a group.</summary>
    public int SamplesPerPrompt { get; init; } = 8;

    /// <summary>Softmax temperature, also of the log-probs that are trained on.</summary>
    public double Temperature { get; init; } = 0.8;

    /// <summary>Draw from the k most probable tokens only; 0 = all.</summary>
    public int TopK { get; init; }

    /// <summary>Draw from the smallest set of tokens with this much probability; 1 = all.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Drop tokens less probable than this share of the best; 0 = none.</summary>
    public double MinP { get; init; }

    /// <summary>Penalty on tokens that came before, as in Transformers; 1 = none.</summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Longest response in tokens, the end token included.</summary>
    public int MaxNewTokens { get; init; } = 160;

    /// <summary>The end token cannot be drawn before this many tokens.</summary>
    public int MinNewTokens { get; init; }

    /// <summary>Restrict head and softmax to speech tokens and the end token, in rollouts and training alike.</summary>
    public bool SpeechOnly { get; init; } = true;

    /// <summary>Draw groups without variance again, from the next texts.</summary>
    public bool Dynamic { get; init; }

    /// <summary>Most rounds of drawing of one step with <see cref="Dynamic"/>, the first included.</summary>
    public int DynamicRounds { get; init; }

    /// <summary>Whether finished samples are scored while others are still drawn.</summary>
    public OverlapScoring OverlapScoring { get; init; } = OverlapScoring.Auto;

    /// <summary>Sequences decoded at once.</summary>
    public int Slots { get; init; } = 64;

    /// <summary>Tokens drawn between two looks at which samples have ended; 0 = 8 on a GPU, 1 on the CPU.</summary>
    public int ReadbackSteps { get; init; }
}
