using System.Buffers.Binary;

namespace LlasaNative.Weights;

/// <summary>The parsed and fully checked header of a safetensors file.</summary>
internal sealed class SafeTensorsHeader
{
    /// <summary>The format's own limit on the JSON part.</summary>
    public const int MaxJsonBytes = 100_000_000;

    private SafeTensorsHeader(long dataStart, Dictionary<string, (TensorInfo Info, long Offset)> tensors, Dictionary<string, string> metadata)
    {
        DataStart = dataStart;
        Tensors = tensors;
        Metadata = metadata;
    }

    public long DataStart { get; }

    public Dictionary<string, (TensorInfo Info, long Offset)> Tensors { get; }

    public Dictionary<string, string> Metadata { get; }

    public static SafeTensorsHeader Parse(MappedFile file, string path)
    {
        if (FileErrors.LfsFault(file.Slice(0, (int)Math.Min(file.Length, 1024))) is { } pointer)
        {
            throw new ModelFileException(path, null, pointer);
        }

        ModelFileException.ThrowIf(file.Length < 8, path, null, $"truncated: {file.Length} bytes, a safetensors file has at least 8");
        ulong jsonLength = BinaryPrimitives.ReadUInt64LittleEndian(file.Slice(0, 8));
        ModelFileException.ThrowIf(
            jsonLength > MaxJsonBytes, path, "header length", $"{jsonLength} bytes, the limit is {MaxJsonBytes} (not a safetensors file?)");
        ModelFileException.ThrowIf(
            (long)jsonLength > file.Length - 8, path, "header length", $"{jsonLength} bytes, but only {file.Length - 8} follow (truncated file?)");
        Dictionary<string, (TensorInfo, long)> tensors;
        Dictionary<string, string> metadata;
        try
        {
            (tensors, metadata) = PythonJson.Read<(Dictionary<string, (TensorInfo, long)>, Dictionary<string, string>)>(
                file.Slice(8, (int)jsonLength).ToArray(), json => ReadJson(json.Span, path));
        }
        catch (JsonException e)
        {
            throw new ModelFileException(path, "header", $"not valid JSON: {e.Message}", e);
        }
        catch (InvalidOperationException e)
        {
            throw new ModelFileException(path, "header", $"not valid UTF-8 text: {e.Message}", e);
        }

        SafeTensorsHeader header = new(8 + (long)jsonLength, tensors, metadata);
        header.CheckLayout(file.Length - header.DataStart, path);
        return header;
    }

    private static (Dictionary<string, (TensorInfo, long)> Tensors, Dictionary<string, string> Metadata) ReadJson(ReadOnlySpan<byte> json, string path)
    {
        Dictionary<string, (TensorInfo, long)> tensors = new(StringComparer.Ordinal);
        Dictionary<string, string> metadata = new(StringComparer.Ordinal);
        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = 64 });
        Expect(ref reader, JsonTokenType.StartObject, path, "header");
        HashSet<string> seen = new(StringComparer.Ordinal);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            ModelFileException.ThrowIf(!seen.Add(name), path, name, "appears twice in the header");
            if (name == "__metadata__")
            {
                ReadMetadata(ref reader, metadata);
                continue;
            }

            Expect(ref reader, JsonTokenType.StartObject, path, name);
            tensors.Add(name, ReadTensor(ref reader, path, name));
        }

        // Trailing spaces are padding; anything else makes the reader throw.
        ModelFileException.ThrowIf(reader.Read(), path, "header", "text after the closing brace");
        return (tensors, metadata);
    }

    /// <summary>Keeps what is text. Nothing depends on the rest, so whatever it is, it is no fault of the file.</summary>
    private static void ReadMetadata(ref Utf8JsonReader reader, Dictionary<string, string> metadata)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return;
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType == JsonTokenType.String)
            {
                metadata[key] = reader.GetString()!;
            }
            else
            {
                reader.Skip();
            }
        }
    }

    private static (TensorInfo Info, long Offset) ReadTensor(ref Utf8JsonReader reader, string path, string name)
    {
        string? type = null;
        long[]? shape = null;
        long[]? offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            switch (key)
            {
                case "dtype" when type is null:
                    Expect(ref reader, JsonTokenType.String, path, name);
                    type = reader.GetString()!;
                    break;
                case "shape" when shape is null:
                    shape = ReadCounts(ref reader, path, name, "shape");
                    break;
                case "data_offsets" when offsets is null:
                    offsets = ReadCounts(ref reader, path, name, "data_offsets");
                    break;
                case "dtype" or "shape" or "data_offsets":
                    throw new ModelFileException(path, name, $"repeated key `{key}` in the header");
                default:
                    reader.Read();
                    reader.Skip();
                    break;
            }
        }

        ModelFileException.ThrowIf(type is null || shape is null || offsets is not { Length: 2 } || offsets[1] < offsets[0], path, name,
            "needs dtype, shape and two data_offsets, the second not below the first");
        ModelFileException.ThrowIf(name.Length == 0, path, "header", "a tensor without a name");
        TensorInfo info;
        try
        {
            // A tensor that nothing reads may have any type; reading it is refused by the type's name.
            info = TensorTypes.TryParse(type, out TensorType known)
                ? new TensorInfo(name, known, shape)
                : new TensorInfo(name, type, offsets[1] - offsets[0], shape);
        }
        catch (OverflowException e)
        {
            throw new ModelFileException(path, name, $"shape {TensorInfo.FormatShape(shape)} is too large", e);
        }

        ModelFileException.ThrowIf(offsets[1] - offsets[0] != info.ByteLength, path, name,
            $"{info.TypeName} {info.ShapeText} needs {info.ByteLength} bytes, data_offsets say [{offsets[0]},{offsets[1]}]");
        return (info, offsets[0]);
    }

    private static long[] ReadCounts(ref Utf8JsonReader reader, string path, string name, string key)
    {
        Expect(ref reader, JsonTokenType.StartArray, path, name);
        List<long> values = [];
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long value) || value < 0)
            {
                throw new ModelFileException(path, name, $"{key} must hold whole numbers from 0 to 2^63-1");
            }

            values.Add(value);
        }

        return [.. values];
    }

    private static void Expect(ref Utf8JsonReader reader, JsonTokenType expected, string path, string field)
    {
        ModelFileException.ThrowIf(
            !reader.Read() || reader.TokenType != expected, path, field, $"expected {expected} in the header, found {reader.TokenType}");
    }

    /// <summary>The tensors must tile the data section: no hole, no overlap, nothing beyond the end of the file.</summary>
    private void CheckLayout(long available, string path)
    {
        (TensorInfo Info, long Offset)[] ordered = [.. Tensors.Values];
        Array.Sort(ordered, (a, b) => a.Offset != b.Offset
            ? a.Offset.CompareTo(b.Offset)
            : (a.Info.ByteLength != b.Info.ByteLength
                ? a.Info.ByteLength.CompareTo(b.Info.ByteLength)
                : string.CompareOrdinal(a.Info.Name, b.Info.Name)));
        long end = 0;
        foreach ((TensorInfo info, long offset) in ordered)
        {
            if (offset != end)
            {
                string what = offset < end ? "overlaps the tensor before it" : "leaves a hole before it";
                throw new ModelFileException(path, info.Name, Invariant($"starts at byte {offset} of the data, expected {end}: it {what}"));
            }

            end = offset + info.ByteLength;
            ModelFileException.ThrowIf(
                end > available, path, info.Name, $"ends at byte {end} of the data, the file holds {available} (truncated file?)");
        }

        ModelFileException.ThrowIf(end != available, path, null, $"{available - end} bytes after the last tensor");
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
