namespace LlasaNative.Reporting;

/// <summary>A file of one JSON object per line that only grows, and can be cut back to where a checkpoint was.</summary>
/// <remarks>
/// A file with <c>.lock</c> behind its name, which goes when it is closed, keeps another process from writing the same one: on Linux, .NET lets two. Any may read.
/// <b>Threads:</b> one at a time. Dispose closes the file.
/// </remarks>
public sealed class JsonLines : IDisposable
{
    private readonly FileStream _lock;
    private readonly FileStream _file;

    /// <summary>Opens or creates a file and cuts it to a length.</summary>
    /// <param name="path">Path of the file; its directory is created.</param>
    /// <param name="length">Bytes that stay: the <see cref="Length"/> that was saved, 0 to start anew.</param>
    /// <exception cref="LlasaException">The file cannot be opened, another process writes it, or it is shorter than that.</exception>
    public JsonLines(string path, long length = 0)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!);
            _lock = new FileStream(path + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LlasaException($"{path}: cannot be written: {e.Message}", e);
        }

        try
        {
            var there = File.Exists(path) ? new FileInfo(path).Length : 0;
            if (there < length)
            {
                throw new LlasaException($"{path}: has {there} bytes, but the checkpoint was saved at {length}: copy the file there from the run that saved it, "
                    + "or begin a run of its own from the checkpoint's weights, with --policy and another --out");
            }

            _file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
            _file.SetLength(length);
            _file.Position = length;
        }
        catch (Exception e)
        {
            _file?.Dispose();
            _lock.Dispose();
            throw e is IOException or UnauthorizedAccessException ? new LlasaException($"{path}: cannot be written: {e.Message}", e) : e;
        }

        Path = path;
    }

    /// <summary>The path as given.</summary>
    public string Path { get; }

    /// <summary>Bytes written so far, all of them handed to the operating system.</summary>
    public long Length => _file.Length;

    /// <summary>Writes a file of its own, whole or not at all.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="lines">An object for each line.</param>
    /// <exception cref="LlasaException">It cannot be written.</exception>
    public static void WriteFile(string path, IEnumerable<object> lines) => AtomicFile.Write(path, temporary =>
    {
        using JsonLines file = new(temporary);
        foreach (var line in lines)
        {
            file.Append(line);
        }
    });

    /// <summary>Appends one object.</summary>
    /// <param name="line">As <see cref="JsonWriting"/> writes it.</param>
    /// <exception cref="LlasaException">Writing failed, for example because the disk is full.</exception>
    public void Append(object line)
    {
        var bytes = JsonWriting.ToLine(line);
        Change(file =>
        {
            file.Write(bytes);
            file.Flush();
        });
    }

    /// <summary>Appends a row of measurements.</summary>
    /// <param name="row">The row.</param>
    public void Append(MetricRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        Append((object)new OrderedDictionary<string, double>([new("step", row.Step), .. row.Values]));
    }

    /// <summary>The lines that were written so far.</summary>
    public IReadOnlyList<string> ReadLines()
    {
        using FileStream file = new(Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using StreamReader reader = new(file);
        List<string> lines = [];
        while (reader.ReadLine() is { } line)
        {
            lines.Add(line);
        }

        return lines;
    }

    /// <summary>Waits until what was written is on the disk, so that no checkpoint counts on bytes a power cut could take.</summary>
    /// <exception cref="LlasaException">Writing failed, for example because the disk is full.</exception>
    public void FlushToDisk() => Change(file => file.Flush(flushToDisk: true));

    /// <summary>The object that a line holds; null where it holds none, as the last one of a file that is being written.</summary>
    /// <param name="line">UTF-8.</param>
    internal static JsonElement? Parse(ReadOnlySpan<byte> line)
    {
        try
        {
            return JsonElement.Parse(line) is { ValueKind: JsonValueKind.Object } value ? value : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>The step that a line is of; null where it is of none.</summary>
    /// <param name="line">UTF-8.</param>
    /// <param name="row">The object that it holds.</param>
    internal static long? StepOf(ReadOnlySpan<byte> line, out JsonElement row)
    {
        row = Parse(line) ?? default;
        return row.ValueKind == JsonValueKind.Object && row.TryGetProperty("step", out var value)
            && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var step) ? step : null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        try
        {
            _file.Dispose();
        }
        finally
        {
            _lock.Dispose();
        }
    }

    private void Change(Action<FileStream> change)
    {
        try
        {
            change(_file);
        }
        catch (Exception e) when (FileErrors.IsWriteFailure(e))
        {
            throw new LlasaException($"{Path}: cannot be written: {e.Message}", e);
        }
    }
}
