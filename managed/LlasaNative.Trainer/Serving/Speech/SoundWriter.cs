using System.Runtime.InteropServices;

namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>Takes bytes, at least one; they have left when it ends.</summary>
internal delegate ValueTask ByteSink(ReadOnlyMemory<byte> bytes, CancellationToken cancellation);

/// <summary>Writes sound in a format, as it comes.</summary>
/// <remarks><b>Threads:</b> one at a time. <b>Lifetime:</b> finish it, and dispose it in any case.</remarks>
internal abstract class SoundWriter : IAsyncDisposable
{
    /// <summary>A writer.</summary>
    /// <param name="sampleRate">Samples per second of what comes.</param>
    /// <param name="length">Samples that will come; null = not known yet.</param>
    /// <param name="send">Given what is written.</param>
    public static SoundWriter Create(SoundFormat format, int sampleRate, long? length, ByteSink send)
    {
        switch (format.Name)
        {
            case "wav":
                return new OwnWriter(() => WaveFile.Header(length, sampleRate), ToBytes, () => [], send);
            case "pcm":
                StreamingResampler resampler = new(sampleRate, SoundFormat.PcmRate);
                return new OwnWriter(() => [], sound => ToBytes(resampler.Resample(sound)), () => ToBytes(resampler.Finish()), send);
            case "flac":
                FlacEncoder encoder = new(sampleRate, length);
                return new OwnWriter(encoder.Header, sound => encoder.Write(WaveFile.ToPcm(sound)), encoder.Finish, send);
            default:
                return new FfmpegWriter(format, sampleRate, send);
        }
    }

    /// <summary>Adds sound; what can be written is, and has left when this ends.</summary>
    public abstract ValueTask WriteAsync(ReadOnlyMemory<float> sound, CancellationToken cancellation);

    /// <summary>Writes what must come last.</summary>
    public abstract ValueTask FinishAsync(CancellationToken cancellation);

    public virtual ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Samples as 16-bit numbers, lowest byte first.</summary>
    protected static byte[] ToBytes(ReadOnlySpan<float> sound) => MemoryMarshal.AsBytes(WaveFile.ToPcm(sound).AsSpan()).ToArray();

    /// <summary>A format that this program writes itself: its head, its sound, its end.</summary>
    private sealed class OwnWriter(Func<byte[]> head, Func<ReadOnlySpan<float>, byte[]> encode, Func<byte[]> end, ByteSink send) : SoundWriter
    {
        private bool _begun;

        public override async ValueTask WriteAsync(ReadOnlyMemory<float> sound, CancellationToken cancellation)
        {
            await BeginAsync(cancellation);
            await SendAsync(encode(sound.Span), cancellation);
        }

        public override async ValueTask FinishAsync(CancellationToken cancellation)
        {
            await BeginAsync(cancellation);
            await SendAsync(end(), cancellation);
        }

        private async ValueTask BeginAsync(CancellationToken cancellation)
        {
            if (!_begun)
            {
                _begun = true;
                await SendAsync(head(), cancellation);
            }
        }

        private ValueTask SendAsync(byte[] bytes, CancellationToken cancellation) => bytes.Length == 0 ? ValueTask.CompletedTask : send(bytes, cancellation);
    }
}
