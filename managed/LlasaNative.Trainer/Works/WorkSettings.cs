using System.Diagnostics;

namespace LlasaNative.Trainer.Works;

/// <summary>How much work is timed; what is null has the work's own default.</summary>
internal sealed record WorkSettings
{
    /// <summary>Sequences, clips or rows at the same time.</summary>
    public int? Batch { get; init; }

    /// <summary>Tokens of a prompt.</summary>
    public int? Prompt { get; init; }

    /// <summary>Tokens drawn, trained or heard of each, or codes.</summary>
    public int? Tokens { get; init; }

    /// <summary>Repetitions that are timed, after one to warm up.</summary>
    public int Repeats { get; init; } = 3;

    /// <summary>Seconds of each repetition.</summary>
    public double[] Time(Action work, bool warm = true)
    {
        if (warm)
        {
            work();
        }

        var seconds = new double[Repeats];
        for (var i = 0; i < Repeats; i++)
        {
            var start = Stopwatch.GetTimestamp();
            work();
            seconds[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        return seconds;
    }
}
