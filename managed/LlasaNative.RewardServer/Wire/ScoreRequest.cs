namespace LlasaNative.Recognition.Wire;

/// <summary>Body of <c>POST /score</c>, as the reference server takes it.</summary>
/// <param name="Tokens">Speech codes: n of <c>&lt;|s_n|&gt;</c>.</param>
/// <param name="Text">What the sound should say.</param>
public sealed record ScoreRequest(int[] Tokens, string Text)
{
    /// <summary>How many of the codes only lead to the sample, as those of a voice prompt: their sound is made with the rest and cut off.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public int Lead { get; init; }
}
