using System.Buffers;
using System.Collections;
using System.Runtime.InteropServices;
using LlasaNative.Training;
using Microsoft.Win32.SafeHandles;

namespace LlasaNative.Data;

/// <summary>Encoded utterances on disk: memory holds where each begins, and one is read when it is asked for.</summary>
/// <remarks>
/// The file has no name from the start, so that a process that is killed leaves nothing behind. A voice that was named is part of the prompt
/// and is not told again. <b>Threads:</b> one adds, then any may read. <b>Lifetime:</b> dispose it after its last reader.
/// </remarks>
/// <example><code>using UtteranceStore store = new("runs/sft"); store.Add(utterance); EncodedUtterance again = store[0];</code></example>
public sealed class UtteranceStore : IReadOnlyList<EncodedUtterance>, IDisposable
{
    private const int BufferBytes = 1 << 20;

    private readonly string _folder;
    private readonly SafeFileHandle _file;
    private readonly List<long> _offsets = [];
    private readonly ArrayBufferWriter<byte> _pending = new();
    private long _written;

    /// <summary>Starts an empty one.</summary>
    /// <param name="directory">A directory of the disk that is to hold the utterances; where it is not there yet, the nearest one above it is used.</param>
    /// <exception cref="DataFileException">No file can be written there.</exception>
    public UtteranceStore(string directory)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        _folder = Path.GetFullPath(directory);
        while (!Directory.Exists(_folder))
        {
            _folder = Path.GetDirectoryName(_folder)!;
        }

        var path = Path.Combine(_folder, $".llasa-utterances-{Guid.NewGuid():N}");
        _file = Guarded(() => File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite));
        File.Delete(path);
    }

    /// <summary>Number of utterances.</summary>
    public int Count => _offsets.Count;

    /// <summary>Reads an utterance.</summary>
    /// <param name="index">From 0, in the order they were added.</param>
    public EncodedUtterance this[int index]
    {
        get
        {
            Flush();
            var bytes = new byte[(int)((index + 1 < Count ? _offsets[index + 1] : _written) - _offsets[index])];
            _ = Guarded(() => RandomAccess.Read(_file, bytes, _offsets[index]) == bytes.Length
                ? true : throw new IOException("the file of utterances ends too early"));
            var head = MemoryMarshal.Cast<byte, int>(bytes.AsSpan(0, 3 * sizeof(int)));
            var text = bytes.AsSpan(3 * sizeof(int), head[0]);
            var numbers = MemoryMarshal.Cast<byte, int>(bytes.AsSpan((3 * sizeof(int)) + head[0]));
            return new EncodedUtterance(new Utterance(Encoding.UTF8.GetString(text), numbers[..head[1]].ToArray()), numbers[head[1]..].ToArray());
        }
    }

    /// <summary>Adds an utterance.</summary>
    /// <param name="utterance">Text, codes and prompt.</param>
    /// <exception cref="DataFileException">The disk is full.</exception>
    public void Add(EncodedUtterance utterance)
    {
        ArgumentNullException.ThrowIfNull(utterance);
        var text = Encoding.UTF8.GetBytes(utterance.Utterance.Text);
        _offsets.Add(_written + _pending.WrittenCount);
        _pending.Write(MemoryMarshal.AsBytes<int>([text.Length, utterance.Utterance.Codes.Count, utterance.Prompt.Length]));
        _pending.Write(text);
        _pending.Write(MemoryMarshal.AsBytes<int>([.. utterance.Utterance.Codes]));
        _pending.Write(MemoryMarshal.AsBytes<int>(utterance.Prompt));
        if (_pending.WrittenCount >= BufferBytes)
        {
            Flush();
        }
    }

    /// <inheritdoc/>
    public IEnumerator<EncodedUtterance> GetEnumerator()
    {
        for (var i = 0; i < Count; i++)
        {
            yield return this[i];
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    // Whoever reads first writes what was added last; several may be the first.
    private void Flush()
    {
        lock (_pending)
        {
            if (_pending.WrittenCount == 0)
            {
                return;
            }

            _ = Guarded(() =>
            {
                RandomAccess.Write(_file, _pending.WrittenSpan, _written);
                return true;
            });
            _written += _pending.WrittenCount;
            _pending.ResetWrittenCount();
        }
    }

    private T Guarded<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataFileException(_folder, null, $"the utterances cannot be kept there while they are trained on: {e.Message}", e);
        }
    }
}
