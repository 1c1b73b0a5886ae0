namespace LlasaNative.Rewards;

/// <summary>Why a reward is not simply the formula's.</summary>
public enum RewardReason
{
    /// <summary>It is the formula's, times the penalties.</summary>
    None,

    /// <summary>The sample hit the length cap.</summary>
    NeverEnded,

    /// <summary>The sound is longer than the recogniser's window.</summary>
    BeyondWindow,

    /// <summary>The sample has no speech codes.</summary>
    NoSpeechCodes,

    /// <summary>The waveform is silent.</summary>
    Silent,

    /// <summary>The recogniser heard no speech in it.</summary>
    NonSpeech,

    /// <summary>The transcript has neither letters nor digits.</summary>
    EmptyTranscript,

    /// <summary>A component of one's own failed.</summary>
    ComponentFailed,

    /// <summary>A measurement is NaN or infinite.</summary>
    NotFinite,

    /// <summary>Nobody could listen to the sample: it has no reward and takes no part.</summary>
    NotScored,
}
