using LlasaNative.Recognition;
using LlasaNative.Models;

namespace LlasaNative.Training.Tests.Fakes;

/// <summary>Hears code 0 as a, 1 as b, 2 as c, and fails where it is told to.</summary>
internal sealed class ScriptedRecognition : IRecognition
{
    /// <summary>Whether nobody can listen to a sample of a text with these codes.</summary>
    public Func<string, int[], bool> Fails { get; set; } = (_, _) => false;

    /// <summary>Codes beyond which a sample is longer than the window.</summary>
    public int Window { get; set; } = int.MaxValue;

    public int Recognised { get; private set; }

    /// <summary>What was to be cut off each sample, in the order they came.</summary>
    public List<int[]> Leads { get; } = [];

    public int CodeCount => 3;

    public int BatchSize => 3;

    public string Name => "script";

    public bool WorksBesidePolicy { get; init; }

    public void Announce(IReadOnlyCollection<string> texts)
    {
    }

    public void CheckText(string text)
    {
        if (text == "unheard of")
        {
            throw new UsageException("the text is too long for the recogniser");
        }
    }

    public Task<RecognisedChunk> RecogniseAsync(IReadOnlyList<int[]> codes, IReadOnlyList<string> texts, RecognitionExtras extras, CancellationToken cancellation, IReadOnlyList<int>? leads = null)
    {
        Recognised += codes.Count;
        Leads.AddRange(codes.Select((c, i) => c[..(leads?[i] ?? 0)]));
        codes = [.. codes.Select((c, i) => c[(leads?[i] ?? 0)..])];
        return Task.FromResult(new RecognisedChunk([.. codes.Select((c, i) => Fails(texts[i], c)
            ? RecognisedSample.Failed("nobody is there")
            : RecognisedSample.Of(new SpeechScore(Say(c), Nll(c), 0, 0) { BeyondWindow = c.Length > Window }, Sound(c), RecognisedSample.SampleRate, extras.HasFlag(RecognitionExtras.Sound)))], 0, 0, 0));
    }

    public void Dispose()
    {
    }

    /// <summary>What codes sound like.</summary>
    public static string Say(IEnumerable<int> codes) => new([.. codes.Select(c => (char)('a' + c))]);

    private static double Nll(int[] codes) => 0.1 * codes.Length;

    /// <summary>The codes of a sound.</summary>
    public static IEnumerable<int> CodesOf(ReadOnlySpan<float> sound)
    {
        var end = sound.IndexOfAny(0.5f, -0.5f);
        return sound[..end].ToArray().Select(x => (int)(8 * x) - 1);
    }

    /// <summary>160 samples, which begin with the codes.</summary>
    private static float[] Sound(int[] codes) => [.. codes.Select(c => (c + 1) / 8f), .. Enumerable.Range(0, 160 - codes.Length).Select(i => i % 2 == 0 ? 0.5f : -0.5f)];
}
