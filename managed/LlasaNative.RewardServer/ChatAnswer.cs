using System.Text.RegularExpressions;
using LlasaNative.Judging;

namespace LlasaNative.Recognition.Remote;

/// <summary>Reads what a judge wrote: the object it was asked for, or a letter that stands by itself; nothing else is taken for an answer.</summary>
internal static partial class ChatAnswer
{
    /// <summary>How it is to answer.</summary>
    public const string Instruction = """Answer with {"better": "A"} or {"better": "B"}, or with {"better": "tie"} if neither is better, and with nothing else.""";

    /// <summary>What was said.</summary>
    /// <param name="text">The answer; null = none.</param>
    public static JudgeAnswer Read(string? text)
    {
        var said = Fence().Match((text ?? "").Trim()) is { Success: true } fenced ? fenced.Groups["inside"].Value : (text ?? "").Trim();
        if (said.StartsWith('{'))
        {
            try
            {
                return Named(JsonSerializer.Deserialize(said, ChatJson.Default.ChatVerdict)?.Better.Trim());
            }
            catch (JsonException)
            {
                return JudgeAnswer.Other;
            }
        }

        // "A." and "B: it is livelier", but neither "A livelier voice is in B" nor "Both are fine".
        return Letter().Match(said) is { Success: true } letter ? Named(letter.Groups["word"].Value) : JudgeAnswer.Other;
    }

    private static JudgeAnswer Named(string? word) => word?.ToUpperInvariant() switch
    {
        "A" => JudgeAnswer.First,
        "B" => JudgeAnswer.Second,
        "TIE" => JudgeAnswer.Tie,
        _ => JudgeAnswer.Other,
    };

    [GeneratedRegex(@"\A```(?:json)?\s*(?<inside>.*?)\s*```\z", RegexOptions.Singleline)]
    private static partial Regex Fence();

    [GeneratedRegex(@"\A[(""'*]*(?<word>A|B|tie)[)""'*]*(?:\z|[.,:;!\r\n])", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Letter();
}
