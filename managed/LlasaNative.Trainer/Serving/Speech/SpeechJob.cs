using System.Diagnostics;
using System.Threading.Channels;

namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>A text that is to be spoken, and where its sound goes.</summary>
/// <remarks><b>Threads:</b> any. Made by a request, taken by the engine, ended by either.</remarks>
internal sealed class SpeechJob : IQueuedJob
{
    private readonly Channel<float[]> _sound = Channel.CreateUnbounded<float[]>(new UnboundedChannelOptions { SingleReader = true });
    private volatile bool _over;

    /// <summary>What is to be said, and whose voice it is to go on in.</summary>
    public required Training.EncodedText Text { get; init; }

    /// <summary>How tokens are drawn; the same settings go together.</summary>
    public required SamplingSettings Sampling { get; init; }

    /// <summary>Key of its random numbers.</summary>
    public required ulong Id { get; init; }

    /// <summary>Whether its sound is wanted while it is drawn.</summary>
    public bool IsStreamed { get; init; }

    /// <summary>Cancelled when nobody waits any longer.</summary>
    public CancellationToken Abandoned { get; init; }

    /// <summary>Its sound, in the order it is heard; ends with it, or with what went wrong.</summary>
    public ChannelReader<float[]> Sound => _sound.Reader;

    /// <summary>Its codes, once they are drawn; whoever has read all of the sound may read them.</summary>
    public int[] Codes { get; set; } = [];

    /// <summary>Whether it ended by itself, once it has ended.</summary>
    public bool Ended { get; set; }

    public int Size => 1;

    public bool IsOver => _over || Abandoned.IsCancellationRequested;

    public long Since { get; } = Stopwatch.GetTimestamp();

    /// <summary>The codes that come before its own.</summary>
    public IReadOnlyList<int> Lead => Text.Voice?.Codes ?? [];

    /// <summary>The key of a part of a text, of the text's seed.</summary>
    public static ulong Key(long seed, int part) => Philox.Draw((ulong)seed, 0x5350_4545_4348, (ulong)part).First;

    /// <summary>Sound that comes next.</summary>
    public void Add(float[] sound)
    {
        if (sound.Length > 0)
        {
            _sound.Writer.TryWrite(sound);
        }
    }

    /// <summary>There is no more.</summary>
    public void Complete() => End(null);

    /// <summary>It could not be spoken.</summary>
    public void Fail(Exception error) => End(error);

    private void End(Exception? error)
    {
        _over = true;
        _sound.Writer.TryComplete(error);
    }
}
