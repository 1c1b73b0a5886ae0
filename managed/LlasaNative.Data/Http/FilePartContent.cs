using System.Net.Http.Headers;

namespace LlasaNative.Http;

/// <summary>Some bytes of a file as the body of a request; read as they are sent.</summary>
internal sealed class FilePartContent : HttpContent
{
    private readonly string _path;
    private readonly long _from;
    private readonly long _count;

    public FilePartContent(string path, long from, long count)
    {
        (_path, _from, _count) = (path, from, count);
        Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
    }

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
    {
        using FileStream file = new(_path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, useAsync: false);
        file.Position = _from;
        byte[] buffer = new byte[1 << 16];
        for (long left = _count; left > 0;)
        {
            int got = file.Read(buffer, 0, (int)Math.Min(buffer.Length, left));
            if (got == 0)
            {
                throw new IOException($"{_path} has become shorter while it was sent");
            }

            await stream.WriteAsync(buffer.AsMemory(0, got)).ConfigureAwait(false);
            left -= got;
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = _count;
        return true;
    }
}
