using System.Net.Http.Headers;

namespace LlasaNative.Http;

/// <summary>The body of a request, made as it is sent.</summary>
internal sealed class StreamedContent : HttpContent
{
    private readonly long? _length;
    private readonly Func<Stream, Task> _write;

    /// <param name="type">Its media type.</param>
    /// <param name="length">Bytes that will be written; null = not known before.</param>
    /// <param name="write">Writes it.</param>
    public StreamedContent(string type, long? length, Func<Stream, Task> write)
    {
        (_length, _write) = (length, write);
        Headers.ContentType = new MediaTypeHeaderValue(type);
    }

    /// <summary>Some bytes of a file.</summary>
    public static StreamedContent OfFile(string path, long from, long count) => new("application/octet-stream", count, async stream =>
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, useAsync: false);
        file.Position = from;
        byte[] buffer = new byte[1 << 16];
        for (long left = count; left > 0;)
        {
            int got = file.Read(buffer, 0, (int)Math.Min(buffer.Length, left));
            if (got == 0)
            {
                throw new IOException($"{path} has become shorter while it was sent");
            }

            await stream.WriteAsync(buffer.AsMemory(0, got)).ConfigureAwait(false);
            left -= got;
        }
    });

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => _write(stream);

    protected override bool TryComputeLength(out long length)
    {
        length = _length ?? 0;
        return _length is not null;
    }
}
