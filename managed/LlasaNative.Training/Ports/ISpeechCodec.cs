namespace LlasaNative.Training;

/// <summary>Turns speech codes into sound, and sound into codes.</summary>
/// <remarks><b>Threads:</b> one at a time. <b>Lifetime:</b> dispose it.</remarks>
public interface ISpeechCodec : IDisposable
{
    /// <summary>Samples per second.</summary>
    int SampleRate { get; }

    /// <summary>Samples per code: the frame rate is <see cref="SampleRate"/> over this.</summary>
    int SamplesPerCode { get; }

    /// <summary>Number of different codes.</summary>
    int CodeCount { get; }

    /// <summary>Whether it turns sound into codes, too.</summary>
    bool CanEncode { get; }

    /// <summary>⑤ The sounds of codes, clips of different lengths together; no clip influences another.</summary>
    /// <param name="clips">Codes of each clip; a clip may be empty.</param>
    ISounds Decode(IReadOnlyList<int[]> clips);

    /// <summary>The codes of a sound.</summary>
    /// <param name="samples">At least one sample of mono sound at <see cref="SampleRate"/>.</param>
    /// <exception cref="InvalidOperationException">It cannot encode.</exception>
    int[] Encode(ReadOnlySpan<float> samples);
}
