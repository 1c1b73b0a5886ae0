using System.Diagnostics;

namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>Has ffmpeg write what this program does not: samples go in as they come, and what is written goes on at once.</summary>
internal sealed class FfmpegWriter : SoundWriter
{
    private readonly Process _process;
    private readonly Task _copying;
    private readonly Task<string> _complaint;
    private readonly CancellationTokenSource _gone = new();

    public FfmpegWriter(SoundFormat format, int sampleRate, ByteSink send)
    {
        _process = Process.Start(new ProcessStartInfo("ffmpeg")
        {
            ArgumentList =
            {
                "-v", "error", "-f", "s16le", "-ar", sampleRate.ToString(CultureInfo.InvariantCulture), "-ac", "1", "-i", "pipe:0",
                "-c:a", format.Encoder, "-flush_packets", "1", "-f", format.Container, "pipe:1",
            },
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        _complaint = _process.StandardError.ReadToEndAsync(CancellationToken.None);
        _copying = CopyAsync(send);
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<float> sound, CancellationToken cancellation)
    {
        try
        {
            await _process.StandardInput.BaseStream.WriteAsync(ToBytes(sound.Span), cancellation);
            await _process.StandardInput.BaseStream.FlushAsync(cancellation);
        }
        catch (IOException e)
        {
            throw new LlasaException($"ffmpeg ended while it was written to: {await _complaint}", e);
        }
    }

    public override async ValueTask FinishAsync(CancellationToken cancellation)
    {
        _process.StandardInput.Close();
        await _copying.WaitAsync(cancellation);
        await _process.WaitForExitAsync(cancellation);
        if (_process.ExitCode != 0)
        {
            throw new LlasaException($"ffmpeg ended with {_process.ExitCode}: {(await _complaint).Trim()}");
        }
    }

    public override async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        // Nothing may be sent after this.
        await _gone.CancelAsync();
        await _copying.ContinueWith(_ => { }, TaskScheduler.Default);
        _gone.Dispose();
        _process.Dispose();
        await base.DisposeAsync();
    }

    private async Task CopyAsync(ByteSink send)
    {
        var buffer = new byte[16384];
        for (int count; (count = await _process.StandardOutput.BaseStream.ReadAsync(buffer, _gone.Token)) > 0;)
        {
            await send(buffer.AsMemory(0, count), _gone.Token);
        }
    }
}
