namespace LlasaNative.Reporting.Dashboard;

/// <summary>Reads what is added to a file of lines while somebody else writes it.</summary>
/// <remarks>
/// A last line without its end is left for the next time. A file that was cut back (a resumed run) or replaced is noticed by
/// its length or by the bytes before the place reached, and read again from its start. <b>Threads:</b> one at a time.
/// </remarks>
internal sealed class LineTail
{
    private const int RememberedBytes = 256;
    private const int LongestLine = 64 << 20;
    private readonly string _path;
    private byte[] _buffer = new byte[1 << 16];
    private byte[] _remembered = [];

    public LineTail(string path) => _path = path;

    /// <summary>Bytes of the lines read so far.</summary>
    public long Position { get; private set; }

    /// <summary>Reads complete new lines.</summary>
    /// <param name="restart">Called first when what was read before is no longer what the file holds.</param>
    /// <param name="line">Given each line without its end, and where in the file it starts.</param>
    /// <returns>Whether anything was read or restarted.</returns>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public bool Read(Action restart, LineReader line)
    {
        using var file = Open();
        if (file is null)
        {
            return Restart(restart);
        }

        var changed = !StillThere(file) && Restart(restart);
        file.Position = Position;
        var filled = 0;
        while (true)
        {
            if (filled == _buffer.Length)
            {
                if (filled >= LongestLine)
                {
                    throw new IOException($"{_path}: a line of more than {LongestLine} bytes");
                }

                Array.Resize(ref _buffer, 2 * filled);
            }

            var count = file.Read(_buffer, filled, _buffer.Length - filled);
            if (count == 0)
            {
                return changed;
            }

            filled += count;
            var at = 0;
            while (Array.IndexOf(_buffer, (byte)'\n', at, filled - at) is >= 0 and var end)
            {
                line(_buffer.AsSpan(at, end - at), Position + at);
                at = end + 1;
            }

            if (at > 0)
            {
                changed = true;
                _remembered = _buffer[Math.Max(0, at - RememberedBytes)..at];
                Position += at;
                _buffer.AsSpan(at, filled - at).CopyTo(_buffer);
                filled -= at;
            }
        }
    }

    private bool Restart(Action restart)
    {
        var had = Position > 0;
        Position = 0;
        _remembered = [];
        if (had)
        {
            restart();
        }

        return had;
    }

    private FileStream? Open()
    {
        try
        {
            return new FileStream(_path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;   // not written yet
        }
    }

    private bool StillThere(FileStream file)
    {
        if (file.Length < Position)
        {
            return false;
        }

        var now = new byte[_remembered.Length];
        file.Position = Position - now.Length;
        return file.ReadAtLeast(now, now.Length, throwOnEndOfStream: false) == now.Length && now.AsSpan().SequenceEqual(_remembered);
    }
}

/// <summary>Takes a line of a file.</summary>
/// <param name="line">Its bytes, without the end; valid during the call.</param>
/// <param name="offset">Where in the file it starts.</param>
internal delegate void LineReader(ReadOnlySpan<byte> line, long offset);
