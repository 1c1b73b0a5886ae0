using LlasaNative.Models;

namespace LlasaNative.Training.Tests.Fakes;

/// <summary>Hears the codes in the sounds of <see cref="ScriptedRecognition"/>, and takes every b for a c.</summary>
internal sealed class ScriptedEar : IRecogniser
{
    /// <summary>Clips it was given, each call.</summary>
    public List<int> Calls { get; } = [];

    public bool IsDisposed { get; private set; }

    public int BatchSize => 2;

    public int WindowSamples => int.MaxValue;

    public IRecogniser ListenAs(ScoringOptions options) => throw new NotSupportedException();

    public void CheckText(string text)
    {
        if (text == "long")
        {
            throw new UsageException("5 tokens, which allows 4");
        }
    }

    public SpeechScore[] Score(ISounds sounds, IReadOnlyList<string> texts, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        Calls.Add(sounds.Count);
        var heard = new SpeechScore[sounds.Count];
        for (var i = 0; i < heard.Length; i++)
        {
            var said = ScriptedRecognition.Say(ScriptedRecognition.CodesOf(sounds[i])).Replace('b', 'c');
            heard[i] = new SpeechScore(said, said == texts[i] ? 1 : 3, 0, 0);
        }

        return heard;
    }

    public void Dispose() => IsDisposed = true;
}
