namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>Bytes of sound as OpenAI's server-sent events: <c>speech.audio.delta</c>, and <c>speech.audio.done</c> at the end.</summary>
/// <param name="output">Written to; stays open.</param>
/// <remarks><b>Threads:</b> one at a time.</remarks>
internal sealed class AudioEvents(Stream output)
{
    /// <summary>An event with sound in it; it has left when this ends.</summary>
    public ValueTask SendAsync(ReadOnlyMemory<byte> sound, CancellationToken cancellation) =>
        WriteAsync(JsonSerializer.SerializeToUtf8Bytes(new AudioDelta("speech.audio.delta", sound.ToArray()), SpeechJson.Default.AudioDelta), cancellation);

    /// <summary>The last event.</summary>
    public ValueTask FinishAsync(SpeechUsage usage, CancellationToken cancellation) =>
        WriteAsync(JsonSerializer.SerializeToUtf8Bytes(new AudioDone("speech.audio.done", usage), SpeechJson.Default.AudioDone), cancellation);

    private async ValueTask WriteAsync(byte[] json, CancellationToken cancellation)
    {
        await output.WriteAsync((byte[])[.. "data: "u8, .. json, .. "\n\n"u8], cancellation);
        await output.FlushAsync(cancellation);
    }
}
