using System.Buffers.Binary;

namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>Writes sound in a format, as it comes.</summary>
/// <remarks><b>Threads:</b> one at a time. <b>Lifetime:</b> finish it, and dispose it in any case.</remarks>
internal abstract class SoundWriter : IAsyncDisposable
{
    /// <summary>A writer.</summary>
    /// <param name="sampleRate">Samples per second of what comes.</param>
    /// <param name="length">Samples that will come; null = not known yet.</param>
    /// <param name="output">Written to; stays open.</param>
    public static SoundWriter Create(SoundFormat format, int sampleRate, long? length, Stream output) => format.Name switch
    {
        "wav" => new WaveWriter(sampleRate, length, output),
        "pcm" => new PcmWriter(sampleRate, output),
        "flac" => new FlacWriter(sampleRate, length, output),
        _ => new FfmpegWriter(format, sampleRate, output),
    };

    /// <summary>Adds sound; what can be written is, and has left when this ends.</summary>
    public abstract ValueTask WriteAsync(ReadOnlyMemory<float> sound, CancellationToken cancellation);

    /// <summary>Writes what must come last.</summary>
    public abstract ValueTask FinishAsync(CancellationToken cancellation);

    public virtual ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Samples as 16-bit numbers, lowest byte first.</summary>
    protected static byte[] ToBytes(ReadOnlySpan<float> sound)
    {
        var samples = WaveFile.ToPcm(sound);
        var bytes = new byte[2 * samples.Length];
        for (var i = 0; i < samples.Length; i++)
        {
            BinaryPrimitives.WriteInt16LittleEndian(bytes.AsSpan(2 * i), samples[i]);
        }

        return bytes;
    }

    private sealed class WaveWriter(int sampleRate, long? length, Stream output) : SoundWriter
    {
        private bool _begun;

        public override async ValueTask WriteAsync(ReadOnlyMemory<float> sound, CancellationToken cancellation)
        {
            await BeginAsync(cancellation);
            await output.WriteAsync(ToBytes(sound.Span), cancellation);
            await output.FlushAsync(cancellation);
        }

        public override ValueTask FinishAsync(CancellationToken cancellation) => BeginAsync(cancellation);

        private async ValueTask BeginAsync(CancellationToken cancellation)
        {
            if (!_begun)
            {
                _begun = true;
                await output.WriteAsync(WaveFile.Header(length, sampleRate), cancellation);
            }
        }
    }

    private sealed class PcmWriter(int sampleRate, Stream output) : SoundWriter
    {
        private readonly StreamingResampler _resampler = new(sampleRate, SoundFormat.PcmRate);

        public override async ValueTask WriteAsync(ReadOnlyMemory<float> sound, CancellationToken cancellation)
        {
            await output.WriteAsync(ToBytes(_resampler.Resample(sound.Span)), cancellation);
            await output.FlushAsync(cancellation);
        }

        public override ValueTask FinishAsync(CancellationToken cancellation) => output.WriteAsync(ToBytes(_resampler.Finish()), cancellation);
    }

    private sealed class FlacWriter(int sampleRate, long? length, Stream output) : SoundWriter
    {
        private readonly FlacEncoder _encoder = new(sampleRate, length);
        private bool _begun;

        public override async ValueTask WriteAsync(ReadOnlyMemory<float> sound, CancellationToken cancellation)
        {
            await BeginAsync(cancellation);
            await output.WriteAsync(_encoder.Write(WaveFile.ToPcm(sound.Span)), cancellation);
            await output.FlushAsync(cancellation);
        }

        public override async ValueTask FinishAsync(CancellationToken cancellation)
        {
            await BeginAsync(cancellation);
            await output.WriteAsync(_encoder.Finish(), cancellation);
        }

        private async ValueTask BeginAsync(CancellationToken cancellation)
        {
            if (!_begun)
            {
                _begun = true;
                await output.WriteAsync(_encoder.Header(), cancellation);
            }
        }
    }
}
