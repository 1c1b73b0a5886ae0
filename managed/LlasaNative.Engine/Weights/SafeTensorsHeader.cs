using System.Buffers.Binary;

namespace LlasaNative.Weights;

/// <summary>The parsed and fully checked header of a safetensors file.</summary>
/// <param name="DataStart">Where the data section begins in the file.</param>
/// <param name="Tensors">Each with its offset in that section.</param>
internal sealed record SafeTensorsHeader(long DataStart, Dictionary<string, (TensorInfo Info, long Offset)> Tensors)
{
    /// <summary>The format's own limit on the JSON part.</summary>
    public const int MaxJsonBytes = 100_000_000;

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
        SafeTensorsHeader header = new(8 + (long)jsonLength, new(StringComparer.Ordinal));
        try
        {
            using JsonDocument json = PythonJson.Parse(file.Slice(8, (int)jsonLength).ToArray());
            header.Read(json.RootElement, path);
        }
        catch (JsonException e)
        {
            throw new ModelFileException(path, "header", $"not valid JSON: {e.Message}", e);
        }
        catch (InvalidOperationException e)
        {
            throw new ModelFileException(path, "header", $"not valid UTF-8 text: {e.Message}", e);
        }

        header.CheckLayout(file.Length - header.DataStart, path);
        return header;
    }

    private void Read(JsonElement root, string path)
    {
        Require(root, JsonValueKind.Object, path, "header");
        HashSet<string> seen = new(StringComparer.Ordinal);
        foreach (JsonProperty property in root.EnumerateObject())
        {
            ModelFileException.ThrowIf(!seen.Add(property.Name), path, property.Name, "appears twice in the header");
            if (property.Name != "__metadata__")   // nothing depends on it, so whatever it is, it is no fault of the file
            {
                Tensors.Add(property.Name, ReadTensor(property.Value, path, property.Name));
            }
        }
    }

    private static (TensorInfo Info, long Offset) ReadTensor(JsonElement tensor, string path, string name)
    {
        Require(tensor, JsonValueKind.Object, path, name);
        string[] keys = [.. tensor.EnumerateObject().Select(property => property.Name)];
        string? repeated = Array.Find(["dtype", "shape", "data_offsets"], key => keys.Count(k => k == key) > 1);
        ModelFileException.ThrowIf(repeated is not null, path, name, $"repeated key `{repeated}` in the header");
        ModelFileException.ThrowIf(name.Length == 0, path, "header", "a tensor without a name");
        long[]? shape = Counts("shape");
        long[]? offsets = Counts("data_offsets");
        ModelFileException.ThrowIf(
            !tensor.TryGetProperty("dtype", out JsonElement type) || shape is null || offsets is not { Length: 2 } || offsets[1] < offsets[0],
            path, name, "needs dtype, shape and two data_offsets, the second not below the first");
        Require(type, JsonValueKind.String, path, name);
        TensorInfo info;
        try
        {
            // A tensor that nothing reads may have any type; reading it is refused by the type's name.
            info = TensorTypes.TryParse(type.GetString()!, out TensorType known)
                ? new TensorInfo(name, known, shape)
                : new TensorInfo(name, type.GetString()!, offsets[1] - offsets[0], shape);
        }
        catch (OverflowException e)
        {
            throw new ModelFileException(path, name, $"shape {TensorInfo.FormatShape(shape)} is too large", e);
        }

        ModelFileException.ThrowIf(offsets[1] - offsets[0] != info.ByteLength, path, name,
            $"{info.TypeName} {info.ShapeText} needs {info.ByteLength} bytes, data_offsets say [{offsets[0]},{offsets[1]}]");
        return (info, offsets[0]);

        long[]? Counts(string key)
        {
            if (!tensor.TryGetProperty(key, out JsonElement list))
            {
                return null;
            }

            Require(list, JsonValueKind.Array, path, name);
            return [.. list.EnumerateArray().Select(item => item.ValueKind == JsonValueKind.Number && item.TryGetInt64(out long value) && value >= 0
                ? value : throw new ModelFileException(path, name, $"{key} must hold whole numbers from 0 to 2^63-1"))];
        }
    }

    // Named as the tokens that such values begin with.
    private static void Require(JsonElement value, JsonValueKind kind, string path, string field)
    {
        ModelFileException.ThrowIf(value.ValueKind != kind, path, field, $"expected {Token(kind)} in the header, found {Token(value.ValueKind)}");

        static string Token(JsonValueKind kind) => kind is JsonValueKind.Object or JsonValueKind.Array ? $"Start{kind}" : kind.ToString();
    }

    /// <summary>The tensors must tile the data section: no hole, no overlap, nothing beyond the end of the file.</summary>
    private void CheckLayout(long available, string path)
    {
        long end = 0;
        foreach ((TensorInfo info, long offset) in Tensors.Values
            .OrderBy(tensor => tensor.Offset).ThenBy(tensor => tensor.Info.ByteLength).ThenBy(tensor => tensor.Info.Name, StringComparer.Ordinal))
        {
            ModelFileException.ThrowIf(offset != end, path, info.Name,
                $"starts at byte {offset} of the data, expected {end}: it {(offset < end ? "overlaps the tensor before it" : "leaves a hole before it")}");
            end = offset + info.ByteLength;
            ModelFileException.ThrowIf(
                end > available, path, info.Name, $"ends at byte {end} of the data, the file holds {available} (truncated file?)");
        }

        ModelFileException.ThrowIf(end != available, path, null, $"{available - end} bytes after the last tensor");
    }
}
