namespace LlasaNative.Recognition.Wire;

/// <summary>How something was said; null where a number is not one.</summary>
/// <param name="F0Mean">Mean fundamental frequency in Hz.</param>
/// <param name="F0Deviation">Its standard deviation in Hz.</param>
/// <param name="F0Semitones">The same in semitones.</param>
/// <param name="VoicedShare">Share of frames that are voiced.</param>
/// <param name="Start">Seconds to the first sounding frame.</param>
/// <param name="End">Seconds to the end of the last sounding frame.</param>
/// <param name="Pauses">Number of pauses.</param>
/// <param name="PauseSeconds">Seconds of all pauses.</param>
/// <param name="LongestPause">Seconds of the longest pause.</param>
public sealed record ProsodyResult(
    double? F0Mean, double? F0Deviation, double? F0Semitones, double VoicedShare, double Start, double End, int Pauses, double PauseSeconds, double LongestPause)
{
    internal static ProsodyResult From(Prosody prosody) => new(
        SampleResult.Number(prosody.F0Mean), SampleResult.Number(prosody.F0Deviation), SampleResult.Number(prosody.F0Semitones), prosody.VoicedShare,
        prosody.Activity.Start, prosody.Activity.End, prosody.Activity.Pauses, prosody.Activity.PauseSeconds, prosody.Activity.LongestPause);

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
