using LlasaNative.Models;
using LlasaNative.Trainer.Serving.Speech;
using LlasaNative.Training;

namespace LlasaNative.EndToEnd.Tests.Serving;

/// <summary>A piece that cannot be made into sound, among others that can.</summary>
public sealed class SpeechVocoderTests
{
    [Test]
    public void PieceThatFails_FailsAlone()
    {
        using Codec codec = new();
        List<int> done = [], failed = [];
        using (Vocoder vocoder = new(codec))
        {
            // The first holds the thread up until the others wait together.
            foreach (var code in new[] { Codec.Slow, 1, 2, Codec.Bad, 4, 5 })
            {
                vocoder.Offer(new Vocoder.Piece([code], 0, sound => done.Add((int)sound[0]), _ => failed.Add(code)));
            }

            codec.Go();
        }

        Assert.Multiple(() =>
        {
            Assert.That(done, Is.EqualTo(new[] { Codec.Slow, 1, 2, 4, 5 }), "in their order");
            Assert.That(failed, Is.EqualTo(new[] { Codec.Bad }));
        });
    }

    [Test]
    public void PieceWhoseTakerFails_IsNotGivenToThoseBeforeItAgain()
    {
        using Codec codec = new();
        List<int> done = [], failed = [];
        using (Vocoder vocoder = new(codec))
        {
            foreach (var code in new[] { Codec.Slow, 1, 2, 3 })
            {
                vocoder.Offer(new Vocoder.Piece([code], 0, sound => done.Add(code == 2 ? throw new InvalidOperationException() : (int)sound[0]), _ => failed.Add(code)));
            }

            codec.Go();
        }

        Assert.Multiple(() =>
        {
            Assert.That(done, Is.EqualTo(new[] { Codec.Slow, 1, 3 }));
            Assert.That(failed, Is.EqualTo(new[] { 2 }));
        });
    }

    /// <summary>Says each code as one sample of its value.</summary>
    private sealed class Codec : ISpeechCodec
    {
        public const int Slow = 7, Bad = 13;
        private readonly ManualResetEventSlim _go = new();

        public int SampleRate => 16_000;

        public int SamplesPerCode => 1;

        public int CodeCount => 16;

        public bool CanEncode => false;

        public void Go() => _go.Set();

        public ISounds Decode(IReadOnlyList<int[]> clips)
        {
            if (clips[0][0] == Slow)
            {
                _go.Wait();
            }

            if (clips.Any(clip => clip.Contains(Bad)))
            {
                throw new InvalidOperationException("a code that is none");
            }

            WaveBatch sounds = new([.. Enumerable.Range(0, clips.Count + 1).Select(i => (long)i)], SampleRate);
            for (var i = 0; i < clips.Count; i++)
            {
                sounds[i][0] = clips[i][0];
            }

            return sounds;
        }

        public int[] Encode(ReadOnlySpan<float> samples) => throw new NotSupportedException();

        public void Dispose() => _go.Dispose();
    }
}
