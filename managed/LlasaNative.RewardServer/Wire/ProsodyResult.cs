namespace LlasaNative.Recognition.Wire;

/// <summary>How something was said; null where a number is not one.</summary>
public sealed record ProsodyResult
{
    /// <summary>Mean fundamental frequency in Hz.</summary>
    public required double? F0Mean { get; init; }

    /// <summary>Its standard deviation in Hz.</summary>
    public required double? F0Deviation { get; init; }

    /// <summary>The same in semitones.</summary>
    public required double? F0Semitones { get; init; }

    /// <summary>Share of frames that are voiced.</summary>
    public required double VoicedShare { get; init; }

    /// <summary>Seconds to the first sounding frame.</summary>
    public required double Start { get; init; }

    /// <summary>Seconds to the end of the last sounding frame.</summary>
    public required double End { get; init; }

    /// <summary>Number of pauses.</summary>
    public required int Pauses { get; init; }

    /// <summary>Seconds of all pauses.</summary>
    public required double PauseSeconds { get; init; }

    /// <summary>Seconds of the longest pause.</summary>
    public required double LongestPause { get; init; }

    internal static ProsodyResult From(Prosody prosody) => new()
    {
        F0Mean = SampleResult.Number(prosody.F0Mean),
        F0Deviation = SampleResult.Number(prosody.F0Deviation),
        F0Semitones = SampleResult.Number(prosody.F0Semitones),
        VoicedShare = prosody.VoicedShare,
        Start = prosody.Activity.Start,
        End = prosody.Activity.End,
        Pauses = prosody.Activity.Pauses,
        PauseSeconds = prosody.Activity.PauseSeconds,
        LongestPause = prosody.Activity.LongestPause,
    };

    /// <exception cref="FormatException">A number is outside its range.</exception>
    internal Prosody ToProsody(double seconds)
    {
        Check(F0Mean ?? 0, "f0_mean");
        Check(F0Deviation ?? 0, "f0_deviation");
        Check(F0Semitones ?? 0, "f0_semitones");
        SampleResult.Check(VoicedShare is >= 0 and <= 1, "voiced_share", VoicedShare);
        Check(Start, "start");
        Check(End, "end");
        Check(Pauses, "pauses");
        Check(PauseSeconds, "pause_seconds");
        Check(LongestPause, "longest_pause");
        return new Prosody(
            F0Mean ?? double.NaN, F0Deviation ?? double.NaN, F0Semitones ?? double.NaN, VoicedShare,
            new SpeechActivity(seconds, Start, End, Pauses, PauseSeconds, LongestPause));

        static void Check(double value, string name) => SampleResult.Check(value is >= 0 and <= double.MaxValue, name, value);
    }
}
