using LlasaNative.Judging;

namespace LlasaNative.Training.Tests.Fakes;

/// <summary>Answers by what both recordings say, in the order in which they are played.</summary>
internal sealed class ScriptedJudge(Func<string, string, JudgeAnswer> answer) : IPairJudge
{
    private readonly List<(string Text, string First, string Second)> _asked = [];

    /// <summary>A judge who likes whatever has more letters a, and the place before the sample where both have as many.</summary>
    public static ScriptedJudge LikesA => new((first, second) => first.Count(c => c == 'a') >= second.Count(c => c == 'a') ? JudgeAnswer.First : JudgeAnswer.Second);

    public string Name => "script";

    /// <summary>Texts, and what the two recordings said.</summary>
    public IReadOnlyList<(string Text, string First, string Second)> Asked => _asked;

    public Task<PairVerdict> JudgeAsync(string text, ReadOnlyMemory<float> first, ReadOnlyMemory<float> second, int sampleRate, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var (a, b) = (Said(first), Said(second));
        _asked.Add((text, a, b));
        PairVerdict verdict = new(answer(a, b), answer(b, a));
        return Task.FromResult(verdict with { Failure = verdict.IsJudged ? null : "nobody answers" });
    }

    public void Dispose()
    {
    }

    private static string Said(ReadOnlyMemory<float> sound) => ScriptedRecognition.Say(ScriptedRecognition.CodesOf(sound.Span));
}
