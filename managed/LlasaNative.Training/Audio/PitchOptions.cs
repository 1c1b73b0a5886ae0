namespace LlasaNative.Audio;

/// <summary>How a <see cref="PitchTracker"/> looks for the fundamental frequency.</summary>
public sealed record PitchOptions
{
    /// <summary>Lowest fundamental frequency looked for, in Hz, at least 20.</summary>
    public double Lowest { get; init; } = 60;

    /// <summary>Highest fundamental frequency looked for, in Hz; at most a quarter of the sample rate.</summary>
    public double Highest { get; init; } = 500;

    /// <summary>Seconds between frames.</summary>
    public double Hop { get; init; } = 0.01;

    /// <summary>Aperiodicity (0 periodic, about 1 noise) at which a frame is as well voiced as not.</summary>
    public double VoicingThreshold { get; init; } = 0.45;

    /// <summary>Level below the loudest frame, in dB, from which on a frame counts as silent.</summary>
    public double SilenceBelow { get; init; } = 32;

    /// <summary>Cost of an octave of period length: the guard against tracking a multiple of the period.</summary>
    public double OctaveCost { get; init; } = 0.03;

    /// <summary>Cost of a jump of one octave between frames 10 ms apart.</summary>
    public double JumpCost { get; init; } = 0.35;

    /// <summary>Cost of a change between voiced and unvoiced between frames 10 ms apart.</summary>
    public double VoicingCost { get; init; } = 0.14;
}
