namespace LlasaNative.Training;

/// <summary>Waveforms of some clips.</summary>
/// <remarks><b>Threads:</b> any number may read samples at once. <b>Lifetime:</b> dispose it; spans taken from it are valid until then.</remarks>
public interface ISounds : IDisposable
{
    /// <summary>Number of clips.</summary>
    int Count { get; }

    /// <summary>Samples per second.</summary>
    int SampleRate { get; }

    /// <summary>Samples of one clip, full scale is ±1.</summary>
    /// <param name="index">Of the clip.</param>
    ReadOnlySpan<float> this[int index] { get; }
}
