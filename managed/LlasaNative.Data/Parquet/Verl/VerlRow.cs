namespace LlasaNative.Data.Parquet;

/// <summary>One row of a data set in verl's schema for text to speech.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record VerlRow
{
    /// <summary>Column <c>ability</c> of rows for text to speech.</summary>
    public const string SpeechAbility = "text-to-speech";

    /// <summary>Field <c>reward_model.style</c> of rows whose reward is computed by a rule.</summary>
    public const string RuleStyle = "rule";

    internal const string TextStart = "<|TEXT_UNDERSTANDING_START|>";
    internal const string TextEnd = "<|TEXT_UNDERSTANDING_END|>";

    /// <summary>Column <c>data_source</c>: where the row comes from; empty when the file does not say.</summary>
    public string DataSource { get; init; } = string.Empty;

    /// <summary>Column <c>prompt</c>: the turns, at least one.</summary>
    public required IReadOnlyList<VerlMessage> Prompt { get; init; }

    /// <summary>Column <c>ability</c>; empty when the file does not say.</summary>
    public string Ability { get; init; } = SpeechAbility;

    /// <summary>Field <c>reward_model.style</c>; empty when the file does not say.</summary>
    public string RewardStyle { get; init; } = RuleStyle;

    /// <summary>Field <c>reward_model.ground_truth</c>: the text that speech is compared with.</summary>
    public required string GroundTruth { get; init; }

    /// <summary>Field <c>extra_info.split</c>, as <c>train</c>; empty when the file does not say.</summary>
    public string Split { get; init; } = string.Empty;

    /// <summary>Field <c>extra_info.index</c>: number within the split; null when the file does not say, or says no whole number.</summary>
    public long? Index { get; init; }

    /// <summary>Field <c>extra_info.text</c>: the text to speak; the ground truth when the file does not say.</summary>
    public required string Text { get; init; }

    /// <summary>Column <c>language</c>; null when the file does not say.</summary>
    public string? Language { get; init; }

    /// <summary>Column <c>duration</c>: length of the speech in seconds; null when the file does not say.</summary>
    public double? Duration { get; init; }

    /// <summary>Column <c>codes</c>: speech codes of somebody saying the text, for supervised training; null when the file does not say.</summary>
    public IReadOnlyList<int>? Codes { get; init; }

    /// <summary>A row that asks for a text to be spoken.</summary>
    /// <param name="text">The text.</param>
    /// <param name="dataSource">Where it comes from.</param>
    /// <param name="split">As <c>train</c> or <c>test</c>.</param>
    /// <param name="index">Number within the split.</param>
    /// <returns>A row with the prompt that Llasa was trained with.</returns>
    public static VerlRow ForText(string text, string dataSource, string split, long index) => new()
    {
        DataSource = dataSource,
        Prompt = SpeechPrompt(text),
        GroundTruth = text,
        Split = split,
        Index = index,
        Text = text,
    };

    internal static VerlMessage[] SpeechPrompt(string text) =>
    [
        new VerlMessage("user", $"Convert the text to speech:{TextStart}{text}{TextEnd}"),
        new VerlMessage("assistant", "<|SPEECH_GENERATION_START|>"),
    ];
}
