namespace LlasaNative.Data.Parquet;

/// <summary>One row of a data set in verl's schema for text to speech.</summary>
/// <param name="Prompt">Column <c>prompt</c>: the turns, at least one.</param>
/// <param name="GroundTruth">Field <c>reward_model.ground_truth</c>: the text that speech is compared with.</param>
/// <param name="Text">Field <c>extra_info.text</c>: the text to speak; the ground truth when the file does not say.</param>
/// <param name="DataSource">Column <c>data_source</c>: where the row comes from; empty when the file does not say.</param>
/// <param name="Ability">Column <c>ability</c>; empty when the file does not say.</param>
/// <param name="RewardStyle">Field <c>reward_model.style</c>; empty when the file does not say.</param>
/// <param name="Split">Field <c>extra_info.split</c>, as <c>train</c>; empty when the file does not say.</param>
/// <param name="Index">Field <c>extra_info.index</c>: number within the split; null when the file does not say, or says no whole number.</param>
/// <param name="Language">Column <c>language</c>; null when the file does not say.</param>
/// <param name="Duration">Column <c>duration</c>: length of the speech in seconds; null when the file does not say.</param>
/// <param name="Codes">Column <c>codes</c>: speech codes of somebody saying the text, for supervised training; null when the file does not say.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record VerlRow(
    IReadOnlyList<VerlMessage> Prompt, string GroundTruth, string Text, string DataSource = "", string Ability = VerlRow.SpeechAbility,
    string RewardStyle = VerlRow.RuleStyle, string Split = "", long? Index = null, string? Language = null, double? Duration = null,
    IReadOnlyList<int>? Codes = null)
{
    /// <summary>Column <c>ability</c> of rows for text to speech.</summary>
    public const string SpeechAbility = "text-to-speech";

    /// <summary>Field <c>reward_model.style</c> of rows whose reward is computed by a rule.</summary>
    public const string RuleStyle = "rule";

    internal const string TextStart = "<|TEXT_UNDERSTANDING_START|>";
    internal const string TextEnd = "<|TEXT_UNDERSTANDING_END|>";

    /// <summary>A row that asks for a text to be spoken.</summary>
    /// <param name="text">The text.</param>
    /// <param name="dataSource">Where it comes from.</param>
    /// <param name="split">As <c>train</c> or <c>test</c>.</param>
    /// <param name="index">Number within the split.</param>
    /// <returns>A row with the prompt that Llasa was trained with.</returns>
    public static VerlRow ForText(string text, string dataSource, string split, long index) =>
        new(SpeechPrompt(text), text, text, dataSource, Split: split, Index: index);

    internal static VerlMessage[] SpeechPrompt(string text) =>
    [
        new VerlMessage("user", $"Convert the text to speech:{TextStart}{text}{TextEnd}"),
        new VerlMessage("assistant", "<|SPEECH_GENERATION_START|>"),
    ];
}
