using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json.Nodes;
using Microsoft.Win32.SafeHandles;

namespace LlasaNative.Weights;

/// <summary>
/// Writes one <c>.safetensors</c> file as a stream: the tensors are declared first, then filled in any order, in parts if
/// need be, and <see cref="Complete"/> makes the file durable.
/// </summary>
/// <remarks>
/// <para>The layout depends only on the declarations: larger element types first, then ordinal order of names, header
/// padded to 8 bytes, so equal contents give equal files.</para>
/// <para><b>Threads:</b> one at a time. <b>Lifetime:</b> disposing before <see cref="Complete"/> deletes the file.</para>
/// </remarks>
public sealed class SafeTensorsWriter : IDisposable
{
    private const int ChunkElements = 1 << 16;
    private readonly Dictionary<string, Slot> _slots = new(StringComparer.Ordinal);
    private readonly long _dataStart;
    private SafeFileHandle? _handle;
    private bool _completed;

    /// <summary>Creates the file, reserves its space and writes the header.</summary>
    /// <param name="path">Path of the new file; an existing one is replaced.</param>
    /// <param name="tensors">Everything the file will hold; names must differ.</param>
    /// <exception cref="ArgumentException">A name appears twice or is <c>__metadata__</c>.</exception>
    /// <exception cref="ModelFileException">The file cannot be created or the disk is full.</exception>
    public SafeTensorsWriter(string path, IEnumerable<TensorInfo> tensors)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        Path = path;
        TensorInfo[] ordered = [.. tensors.OrderByDescending(tensor => tensor.Type.SizeInBytes()).ThenBy(tensor => tensor.Name, StringComparer.Ordinal)];
        long offset = 0;
        foreach (TensorInfo tensor in ordered)
        {
            if (tensor.Name == "__metadata__" || !_slots.TryAdd(tensor.Name, new Slot(tensor, offset)))
            {
                throw new ArgumentException($"Tensor name `{tensor.Name}` appears twice or is reserved.", nameof(tensors));
            }

            offset = checked(offset + tensor.ByteLength);
        }

        byte[] header = BuildHeader(ordered);
        _dataStart = header.Length;
        try
        {
            _handle = File.OpenHandle(path, FileMode.Create, FileAccess.Write, FileShare.None, FileOptions.None, _dataStart + offset);
            RandomAccess.Write(_handle, header, 0);
        }
        catch (Exception e) when (FileErrors.IsWriteFailure(e))
        {
            Dispose();
            throw FileErrors.Unwritable(path, e);
        }
    }

    /// <summary>The path as given.</summary>
    public string Path { get; }

    /// <summary>Converts and writes values of one tensor.</summary>
    /// <param name="name">A declared tensor of a floating-point type.</param>
    /// <param name="values">Values, row-major.</param>
    /// <param name="elementOffset">Index of the first value inside the tensor.</param>
    /// <exception cref="ArgumentException">The tensor is not declared or not floating-point.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The values reach beyond the tensor.</exception>
    /// <exception cref="ModelFileException">Writing failed, for example because the disk is full, or a narrower type cannot hold a value.</exception>
    public void Write(string name, ReadOnlySpan<float> values, long elementOffset = 0)
    {
        Slot slot = Find(name);
        int size = slot.Info.Type.SizeInBytes();
        if (slot.Info.Type == TensorType.F32)
        {
            WriteBytes(name, MemoryMarshal.AsBytes(values), elementOffset * size);
            return;
        }

        byte[] buffer = ArrayPool<byte>.Shared.Rent(ChunkElements * size);
        try
        {
            while (!values.IsEmpty)
            {
                int count = Math.Min(ChunkElements, values.Length);
                Span<byte> bytes = buffer.AsSpan(0, count * size);
                if (TensorConversion.WhyNot(values[..count], slot.Info.Type) is { } reason)
                {
                    throw new ModelFileException(Path, name, reason);
                }

                TensorConversion.FromSingle(values[..count], slot.Info.Type, bytes);
                WriteBytes(name, bytes, elementOffset * size);
                values = values[count..];
                elementOffset += count;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Writes stored bytes of one tensor.</summary>
    /// <param name="name">A declared tensor.</param>
    /// <param name="bytes">Elements of the declared type, little-endian.</param>
    /// <param name="byteOffset">Offset of the first byte inside the tensor.</param>
    /// <exception cref="ArgumentException">The tensor is not declared.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The bytes reach beyond the tensor.</exception>
    /// <exception cref="ModelFileException">Writing failed, for example because the disk is full.</exception>
    public void WriteBytes(string name, ReadOnlySpan<byte> bytes, long byteOffset = 0)
    {
        ObjectDisposedException.ThrowIf(_handle is null, this);
        Slot slot = Find(name);
        ArgumentOutOfRangeException.ThrowIfNegative(byteOffset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, slot.Info.ByteLength - byteOffset);
        try
        {
            RandomAccess.Write(_handle, bytes, _dataStart + slot.Offset + byteOffset);
        }
        catch (Exception e) when (FileErrors.IsWriteFailure(e))
        {
            throw FileErrors.Unwritable(Path, e);
        }

        slot.Written += bytes.Length;
    }

    /// <summary>Checks that every tensor was written exactly once, flushes to the disk and closes the file.</summary>
    /// <exception cref="InvalidOperationException">A tensor is not complete.</exception>
    /// <exception cref="ModelFileException">Flushing failed.</exception>
    public void Complete()
    {
        ObjectDisposedException.ThrowIf(_handle is null, this);
        if (_slots.Values.FirstOrDefault(slot => slot.Written != slot.Info.ByteLength) is { } part)
        {
            throw new InvalidOperationException(FormattableString.Invariant($"Tensor `{part.Info.Name}`: {part.Written} bytes written, {part.Info.ByteLength} declared."));
        }

        FileErrors.Writing(Path, () => RandomAccess.FlushToDisk(_handle));
        _completed = true;
        Dispose();
    }

    /// <summary>Closes the file; deletes it unless <see cref="Complete"/> succeeded.</summary>
    public void Dispose()
    {
        if (_handle is null)
        {
            return;
        }

        _handle.Dispose();
        _handle = null;
        if (!_completed)
        {
            File.Delete(Path);
        }
    }

    private static byte[] BuildHeader(TensorInfo[] ordered)
    {
        JsonObject json = new() { ["__metadata__"] = new JsonObject { ["format"] = "pt" } };   // as Transformers requires it
        long offset = 0;
        foreach (TensorInfo tensor in ordered)
        {
            json[tensor.Name] = new JsonObject
            {
                ["dtype"] = tensor.TypeName,
                ["shape"] = new JsonArray([.. tensor.Shape.Select(extent => (JsonNode)extent)]),
                ["data_offsets"] = new JsonArray(offset, offset += tensor.ByteLength),
            };
        }

        byte[] text = JsonSerializer.SerializeToUtf8Bytes(json);
        byte[] header = new byte[sizeof(long) + ((text.Length + 7) / 8 * 8)];
        header.AsSpan().Fill((byte)' ');
        BinaryPrimitives.WriteInt64LittleEndian(header, header.Length - sizeof(long));
        text.CopyTo(header, sizeof(long));
        return header;
    }

    private Slot Find(string name) =>
        _slots.TryGetValue(name, out Slot? slot) ? slot : throw new ArgumentException($"Tensor `{name}` was not declared.", nameof(name));

    private sealed record Slot(TensorInfo Info, long Offset)
    {
        public long Written { get; set; }
    }
}
