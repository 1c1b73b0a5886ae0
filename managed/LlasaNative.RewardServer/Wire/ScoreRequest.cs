namespace LlasaNative.Recognition.Wire;

/// <summary>Body of <c>POST /score</c>, as the reference server takes it.</summary>
public sealed record ScoreRequest
{
    /// <summary>Speech codes: n of <c>&lt;|s_n|&gt;</c>.</summary>
    public required int[] Tokens { get; init; }

    /// <summary>What the sound should say.</summary>
    public required string Text { get; init; }

    /// <summary>How many of the codes only lead to the sample, as those of a voice prompt: their sound is made with the rest and cut off.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public int Lead { get; init; }
}
