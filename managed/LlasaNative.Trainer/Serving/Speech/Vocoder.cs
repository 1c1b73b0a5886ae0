using System.Threading.Channels;

namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>Turns codes into sound on a thread of its own, whatever waits together, while others are drawn.</summary>
/// <remarks><b>Threads:</b> any may offer. <b>Lifetime:</b> dispose it: that finishes what waits. It does not own the codec.</remarks>
internal sealed class Vocoder : IDisposable
{
    // Codes of one batch: bounds its memory, and how long a short one waits for long ones.
    private const int MostCodes = 4096;

    private readonly ISpeechCodec _codec;
    private readonly Channel<Piece> _waiting = Channel.CreateUnbounded<Piece>();
    private readonly Thread _thread;

    public Vocoder(ISpeechCodec codec)
    {
        _codec = codec;
        _thread = new Thread(Work) { IsBackground = true, Name = "vocoding" };
        _thread.Start();
    }

    /// <summary>Codes to be made into sound.</summary>
    /// <param name="Codes">All that are decoded.</param>
    /// <param name="First">The first whose sound is wanted.</param>
    /// <param name="Done">Given the sound from there on; called on the vocoder's thread.</param>
    /// <param name="Failed">Given what went wrong.</param>
    public sealed record Piece(int[] Codes, int First, Action<float[]> Done, Action<Exception> Failed);

    /// <summary>Queues codes; pieces are done in their order.</summary>
    public void Offer(Piece piece) => _waiting.Writer.TryWrite(piece);

    public void Dispose()
    {
        _waiting.Writer.Complete();
        _thread.Join();
    }

    private void Work()
    {
        while (_waiting.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            List<Piece> pieces = [];
            var codes = 0;
            while (_waiting.Reader.TryPeek(out var next) && (pieces.Count == 0 || codes + next.Codes.Length <= MostCodes))
            {
                _ = _waiting.Reader.TryRead(out _);
                pieces.Add(next);
                codes += next.Codes.Length;
            }

            Decode(pieces);
        }
    }

    private void Decode(List<Piece> pieces)
    {
        var done = 0;
        try
        {
            using var sounds = _codec.Decode([.. pieces.Select(p => p.Codes)]);
            for (; done < pieces.Count; done++)
            {
                pieces[done].Done(sounds[done][(pieces[done].First * _codec.SamplesPerCode)..].ToArray());
            }
        }
#pragma warning disable CA1031 // Whatever it was, it belongs to a piece, and the thread must go on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            if (pieces.Count == 1)
            {
                pieces[0].Failed(e);
                return;
            }

            // One bad piece must not fail the others, and what was done is not done again.
            foreach (var piece in pieces[done..])
            {
                Decode([piece]);
            }
        }
    }
}
