namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>Bytes of sound as OpenAI's server-sent events: <c>speech.audio.delta</c>, and <c>speech.audio.done</c> at the end.</summary>
/// <param name="output">Written to; stays open.</param>
/// <remarks><b>Threads:</b> one at a time.</remarks>
internal sealed class AudioEvents(Stream output) : Stream
{
    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.Length > 0)
        {
            await SendAsync(JsonSerializer.SerializeToUtf8Bytes(new AudioDelta("speech.audio.delta", buffer.ToArray()), SpeechJson.Default.AudioDelta), cancellationToken);
        }
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>The last event.</summary>
    public async ValueTask FinishAsync(SpeechUsage usage, CancellationToken cancellation)
    {
        await SendAsync(JsonSerializer.SerializeToUtf8Bytes(new AudioDone("speech.audio.done", usage), SpeechJson.Default.AudioDone), cancellation);
        await FlushAsync(cancellation);
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => output.FlushAsync(cancellationToken);

    public override void Flush() => throw new NotSupportedException();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private async ValueTask SendAsync(byte[] json, CancellationToken cancellation) =>
        await output.WriteAsync((byte[])[.. "data: "u8, .. json, .. "\n\n"u8], cancellation);
}
