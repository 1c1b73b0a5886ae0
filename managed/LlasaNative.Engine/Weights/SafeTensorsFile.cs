namespace LlasaNative.Weights;

/// <summary>
/// Reads one <c>.safetensors</c> file by memory map: the bytes of a tensor are handed out without a copy.
/// </summary>
/// <remarks>
/// <para>The header is checked in full before the constructor returns: sizes, types, duplicate names, holes, overlaps and
/// the file's length. Values are not looked at.</para>
/// <para>What is read stays in the process's memory until it is released (<see cref="Release(string)"/>); what is copied out of here
/// (<see cref="ReadFloats(string)"/>) or only looked at (<see cref="AllFinite"/>) does not.</para>
/// <para><b>Threads:</b> immutable; any number of threads may read. <b>Lifetime:</b> spans and addresses are valid until
/// <see cref="Dispose"/>, which must not race with a reader. The file must not be shortened while it is open.</para>
/// </remarks>
/// <example>
/// <code>
/// using SafeTensorsFile file = SafeTensorsFile.Open("model.safetensors");
/// float[] norm = file.ReadFloats("model.norm.weight");
/// </code>
/// </example>
public sealed class SafeTensorsFile : IDisposable
{
    private readonly MappedFile _file;
    private readonly SafeTensorsHeader _header;

    private SafeTensorsFile(string path, MappedFile file, SafeTensorsHeader header)
    {
        (Path, _file, _header) = (path, file, header);
        Tensors = [.. header.Tensors.Values.Select(t => t.Info).OrderBy(t => t.Name, StringComparer.Ordinal)];
    }

    /// <summary>The path as given.</summary>
    public string Path { get; }

    /// <summary>All tensors, in ordinal order of their names.</summary>
    public IReadOnlyList<TensorInfo> Tensors { get; }

    /// <summary>Opens and checks a file.</summary>
    /// <param name="path">Path of an existing file.</param>
    /// <exception cref="ModelFileException">The file is missing, truncated or malformed; the message names the tensor.</exception>
    public static SafeTensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return MappedFile.Open(path).DisposeOnFailure(file => new SafeTensorsFile(path, file, SafeTensorsHeader.Parse(file, path)));
    }

    /// <summary>Whether a tensor of that name is stored.</summary>
    /// <param name="name">Parameter name.</param>
    public bool Contains(string name) => _header.Tensors.ContainsKey(name);

    /// <summary>Type and shape of one tensor.</summary>
    /// <param name="name">Parameter name.</param>
    /// <exception cref="ModelFileException">There is no such tensor.</exception>
    public TensorInfo GetInfo(string name) => Find(name).Info;

    /// <summary>All bytes of one tensor, little-endian, row-major; no copy.</summary>
    /// <param name="name">Parameter name.</param>
    /// <exception cref="ModelFileException">There is no such tensor, or it has 2 GiB or more: use the ranged overload or <see cref="GetAddress"/>.</exception>
    public ReadOnlySpan<byte> GetBytes(string name)
    {
        (TensorInfo info, long offset) = Find(name);
        ModelFileException.ThrowIf(info.ByteLength > int.MaxValue, Path, name, $"{info.ByteLength} bytes do not fit in one span; read it in parts");
        return _file.Slice(_header.DataStart + offset, (int)info.ByteLength);
    }

    /// <summary>Part of the bytes of one tensor; no copy.</summary>
    /// <param name="name">Parameter name.</param>
    /// <param name="byteOffset">First byte, from 0.</param>
    /// <param name="byteCount">Number of bytes.</param>
    /// <exception cref="ModelFileException">There is no such tensor.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The range is not inside the tensor.</exception>
    public ReadOnlySpan<byte> GetBytes(string name, long byteOffset, int byteCount)
    {
        (TensorInfo info, long offset) = Find(name);
        ArgumentOutOfRangeException.ThrowIfNegative(byteOffset);
        ArgumentOutOfRangeException.ThrowIfNegative(byteCount);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(byteOffset, info.ByteLength - byteCount);
        return _file.Slice(_header.DataStart + offset + byteOffset, byteCount);
    }

    /// <summary>Address of a tensor's first byte, for a native call that takes the whole tensor whatever its size.</summary>
    /// <param name="name">Parameter name.</param>
    /// <returns>A read-only address that is valid until <see cref="Dispose"/>.</returns>
    /// <exception cref="ModelFileException">There is no such tensor.</exception>
    public nint GetAddress(string name) => _file.Address + (nint)(_header.DataStart + Find(name).Offset);

    /// <summary>Converts one tensor to a new float32 array.</summary>
    /// <param name="name">Parameter name; the type must be F32, F16, BF16 or F64.</param>
    /// <exception cref="ModelFileException">There is no such tensor, it is not floating-point, too large for an array, or holds values beyond the range of F32.</exception>
    public float[] ReadFloats(string name)
    {
        TensorInfo info = GetInfo(name);
        ModelFileException.ThrowIf(!TensorConversion.IsFloat(info.Type), Path, name, $"{info.TypeName}, expected F32, F16, BF16 or F64");
        ModelFileException.ThrowIf(info.ElementCount > Array.MaxLength, Path, name, "too many elements for one array");
        float[] values = new float[info.ElementCount];
        const int Chunk = 1 << 20;
        int size = info.Type.SizeInBytes();
        for (int start = 0; start < values.Length; start += Chunk)
        {
            Span<float> part = values.AsSpan(start, Math.Min(Chunk, values.Length - start));
            ReadOnlySpan<byte> bytes = GetBytes(name, (long)start * size, part.Length * size);
            TensorConversion.ToSingle(bytes, info.Type, part);
            bool isBeyond = info.Type == TensorType.F64 && TensorConversion.AllFinite(bytes, info.Type) && TensorConversion.WhyNot(part, TensorType.F32) is not null;
            ModelFileException.ThrowIf(isBeyond, Path, name, "holds values beyond the range of F32");
            Release(name, (long)start * size, bytes.Length);
        }

        return values;
    }

    /// <summary>Whether every element is a finite number; integer tensors always are.</summary>
    /// <param name="name">Parameter name.</param>
    /// <exception cref="ModelFileException">There is no such tensor.</exception>
    public bool AllFinite(string name)
    {
        TensorInfo info = GetInfo(name);
        const int Chunk = 1 << 24;
        for (long start = 0; start < info.ByteLength; start += Chunk)
        {
            int count = (int)Math.Min(Chunk, info.ByteLength - start);
            if (!TensorConversion.AllFinite(GetBytes(name, start, count), info.Type))
            {
                return false;
            }

            Release(name, start, count);
        }

        return true;
    }

    /// <summary>Gives back the memory that reading a tensor took. It may be read again, from the file.</summary>
    /// <param name="name">Parameter name.</param>
    /// <exception cref="ModelFileException">There is no such tensor.</exception>
    public void Release(string name) => Release(name, 0, GetInfo(name).ByteLength);

    /// <summary>The same of the whole file: of what was read ahead between tensors as well.</summary>
    public void Release() => _file.Release(0, _file.Length);

    /// <summary>Unmaps the file; spans and addresses handed out become invalid.</summary>
    public void Dispose() => _file.Dispose();

    /// <summary>The same of part of a tensor.</summary>
    internal void Release(string name, long byteOffset, long byteCount) =>
        _file.Release(_header.DataStart + Find(name).Offset + byteOffset, byteCount);

    private (TensorInfo Info, long Offset) Find(string name) =>
        _header.Tensors.TryGetValue(name, out (TensorInfo Info, long Offset) found)
            ? found
            : throw new ModelFileException(Path, name, "no such tensor");
}
