namespace LlasaNative.Audio;

/// <summary>How a <see cref="PitchTracker"/> looks for the fundamental frequency.</summary>
/// <param name="Lowest">Lowest fundamental frequency looked for, in Hz, at least 20.</param>
/// <param name="Highest">Highest fundamental frequency looked for, in Hz; at most a quarter of the sample rate.</param>
/// <param name="Hop">Seconds between frames.</param>
/// <param name="VoicingThreshold">Aperiodicity (0 periodic, about 1 noise) at which a frame is as well voiced as not.</param>
/// <param name="SilenceBelow">Level below the loudest frame, in dB, from which on a frame counts as silent.</param>
/// <param name="OctaveCost">Cost of an octave of period length: the guard against tracking a multiple of the period.</param>
/// <param name="JumpCost">Cost of a jump of one octave between frames 10 ms apart.</param>
/// <param name="VoicingCost">Cost of a change between voiced and unvoiced between frames 10 ms apart.</param>
public sealed record PitchOptions(
    double Lowest = 60, double Highest = 500, double Hop = 0.01, double VoicingThreshold = 0.45, double SilenceBelow = 32,
    double OctaveCost = 0.03, double JumpCost = 0.35,
    double VoicingCost = 0.14);
