using CommunityToolkit.HighPerformance;

namespace LlasaNative.Interop;

/// <summary>A rectangle of floats in page-locked native memory, row after row: a batch of waveforms of one length.</summary>
/// <remarks>Rented from <see cref="PinnedBufferPool"/>; dispose it to give it back. Spans taken from it are valid until then.</remarks>
public sealed class PinnedRows : IDisposable
{
    private readonly PinnedBuffer _buffer;
    private readonly int _rows;
    private readonly int _columns;

    internal PinnedRows(PinnedBuffer buffer, int rows, int columns)
    {
        _buffer = buffer;
        _rows = rows;
        _columns = columns;
    }

    /// <summary>[rows, columns], for code that keeps it across calls.</summary>
    public Memory2D<float> Memory => new(_buffer, _rows, _columns);

    /// <summary>[rows, columns].</summary>
    public Span2D<float> Span => Memory.Span;

    /// <inheritdoc/>
    public void Dispose() => ((IDisposable)_buffer).Dispose();
}
