using System.Buffers.Binary;
using System.IO.Hashing;
using System.Numerics;

namespace LlasaNative.Reporting;

/// <summary>Writes a TensorBoard event file: scalars, texts and sounds.</summary>
/// <remarks>
/// TFRecord framing with masked CRC-32C; the events are written by hand from tensorflow/core/util/event.proto and
/// summary.proto, of which only the fields used here appear.
/// <para><b>Threads:</b> one at a time. Dispose closes the file.</para>
/// </remarks>
public sealed class TensorBoardWriter : IDisposable
{
    private const int DataTypeString = 7;
    private readonly FileStream _file;
    private readonly TimeProvider _clock;

    /// <summary>Creates an event file in a directory.</summary>
    /// <param name="directory">Created when missing.</param>
    /// <param name="firstStep">First step that will be written: TensorBoard drops events of an earlier session from it on, itself included.</param>
    /// <param name="clock">Wall clock of the events; null for the system's.</param>
    /// <exception cref="LlasaException">The file cannot be created.</exception>
    public TensorBoardWriter(string directory, long firstStep = 1, TimeProvider? clock = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        _clock = clock ?? TimeProvider.System;
        try
        {
            Directory.CreateDirectory(directory);
            var seconds = _clock.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture).PadLeft(10, '0');
            var number = 0;
            string path;
            do
            {
                path = System.IO.Path.Combine(directory, $"events.out.tfevents.{seconds}.llasa.{number++}");
            }
            while (File.Exists(path));
            Path = path;
            _file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LlasaException($"{directory}: an event file cannot be written: {e.Message}", e);
        }

        WriteEvent(0, e => e.Text(3, "brain.Event:2"));
        WriteEvent(firstStep, e => e.Message(7, log => log.Varint(1, 1)));
    }

    /// <summary>Path of the event file.</summary>
    public string Path { get; }

    /// <summary>Writes the finite measurements of a row as scalars.</summary>
    /// <param name="row">The row.</param>
    public void Write(MetricRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        WriteEvent(row.Step, e => e.Message(5, summary =>
        {
            foreach (var (name, value) in row.Values.Where(v => double.IsFinite(v.Value)))
            {
                summary.Message(1, v => v.Text(1, name).Single(2, (float)value));
            }
        }));
    }

    /// <summary>Writes a text.</summary>
    /// <param name="step">Step it belongs to.</param>
    /// <param name="tag">Its name.</param>
    /// <param name="text">Markdown.</param>
    public void WriteText(long step, string tag, string text) =>
        WriteEvent(step, e => e.Message(5, summary => summary.Message(1, v => v
            .Text(1, tag)
            .Message(8, tensor => tensor.Varint(1, DataTypeString).Message(2, shape => shape.Message(2, dim => dim.Varint(1, 1))).Text(8, text))
            .Message(9, metadata => metadata.Message(1, plugin => plugin.Text(1, "text"))))));

    /// <summary>Writes a sound.</summary>
    /// <param name="step">Step it belongs to.</param>
    /// <param name="tag">Its name.</param>
    /// <param name="wave">A complete WAV file.</param>
    /// <param name="sampleRate">Samples per second.</param>
    /// <param name="frames">Samples.</param>
    public void WriteAudio(long step, string tag, byte[] wave, int sampleRate, long frames) =>
        WriteEvent(step, e => e.Message(5, summary => summary.Message(1, v => v
            .Text(1, tag)
            .Message(6, audio => audio.Single(1, sampleRate).Varint(2, 1).Varint(3, frames).Bytes(4, wave).Text(5, "audio/wav")))));

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    /// <summary>CRC-32C of the bytes, rotated and shifted as TFRecord wants it.</summary>
    /// <param name="data">The bytes.</param>
    internal static uint MaskedCrc(ReadOnlySpan<byte> data) =>
        BitOperations.RotateRight(Crc32.HashToUInt32(Crc32ParameterSet.Crc32C, data), 15) + 0xa282ead8u;

    private void WriteEvent(long step, Action<ProtoWriter> content)
    {
        ProtoWriter message = new();
        message.Double(1, (_clock.GetUtcNow() - DateTimeOffset.UnixEpoch).TotalSeconds).Varint(2, step);
        content(message);
        var data = message.ToArray();
        var record = new byte[data.Length + 16];
        BinaryPrimitives.WriteInt64LittleEndian(record, data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(8), MaskedCrc(record.AsSpan(0, 8)));
        data.CopyTo(record, 12);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(12 + data.Length), MaskedCrc(data));
        try
        {
            _file.Write(record);
            _file.Flush();
        }
        catch (Exception e) when (FileErrors.IsWriteFailure(e))
        {
            throw new LlasaException($"{Path}: cannot be written: {e.Message}", e);
        }
    }
}
