using System.Buffers;

namespace LlasaNative.Models;

/// <summary>Waveforms of a batch of clips, one after another in page-locked memory.</summary>
/// <remarks><b>Threads:</b> one at a time, to read samples any number at once. <b>Lifetime:</b> dispose it; spans taken from it are valid until then.</remarks>
public sealed class WaveBatch : ISounds
{
    private readonly long[] _offsets;
    private readonly IMemoryOwner<float>? _buffer;

    /// <summary>Makes room for clips; all samples are 0.</summary>
    /// <param name="offsets">[B+1] start of each clip, the first 0.</param>
    /// <param name="sampleRate">Samples per second.</param>
    /// <param name="pool">Lends the memory; null = memory of its own.</param>
    public WaveBatch(long[] offsets, int sampleRate, PinnedBufferPool? pool = null)
    {
        ArgumentNullException.ThrowIfNull(offsets);
        _offsets = offsets;
        SampleRate = sampleRate;
        if (offsets[^1] > 0)
        {
            var length = checked((int)offsets[^1]);
            _buffer = pool is null ? new PinnedBuffer(length) : pool.Rent(length);
            Samples.Clear();
        }
    }

    /// <summary>A batch of one clip.</summary>
    /// <param name="samples">Its samples.</param>
    /// <param name="sampleRate">Samples per second.</param>
    public WaveBatch(ReadOnlySpan<float> samples, int sampleRate)
        : this([0, samples.Length], sampleRate) => samples.CopyTo(Samples);

    /// <inheritdoc/>
    public int Count => _offsets.Length - 1;

    /// <inheritdoc/>
    public int SampleRate { get; }

    /// <summary>[B+1] start of each clip.</summary>
    public ReadOnlySpan<long> Offsets => _offsets;

    /// <summary>Samples of all clips.</summary>
    public Span<float> Samples => _buffer is null ? [] : _buffer.Memory.Span;

    /// <summary>A copy of sounds.</summary>
    /// <param name="sounds">Somebody else's.</param>
    public static WaveBatch Of(ISounds sounds)
    {
        ArgumentNullException.ThrowIfNull(sounds);
        WaveBatch copy = new(OffsetsOf(Enumerable.Range(0, sounds.Count).Select(i => sounds[i].Length)), sounds.SampleRate);
        for (var i = 0; i < sounds.Count; i++)
        {
            sounds[i].CopyTo(copy[i]);
        }

        return copy;
    }

    /// <summary>Where things begin that lie one after another; [B + 1], the first 0.</summary>
    /// <param name="lengths">[B] how long each is.</param>
    internal static long[] OffsetsOf(IEnumerable<int> lengths)
    {
        List<long> offsets = [0];
        foreach (var length in lengths)
        {
            offsets.Add(offsets[^1] + length);
        }

        return [.. offsets];
    }

    /// <summary>Seconds of sound in all.</summary>
    public double TotalSeconds => (double)_offsets[^1] / SampleRate;

    /// <summary>Samples of one clip.</summary>
    /// <param name="index">Of the clip.</param>
    public Span<float> this[int index] => Samples[(int)_offsets[index]..(int)_offsets[index + 1]];

    ReadOnlySpan<float> ISounds.this[int index] => this[index];

    /// <inheritdoc/>
    public void Dispose() => _buffer?.Dispose();
}
