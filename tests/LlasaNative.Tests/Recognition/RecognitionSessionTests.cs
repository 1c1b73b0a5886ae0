using LlasaNative.Recognition;
using LlasaNative.Models;

namespace LlasaNative.Tests.Recognition;

public sealed class RecognitionSessionTests
{
    private static readonly string[] Texts = [.. Enumerable.Range(0, 8).Select(i => $"text {i}")];

    [Test]
    public void Offer_InAnyOrder_GivesTheSameChunksTheSameResults([Values(1, 2, 3, 4, 5)] int seed)
    {
        using FakeRecognition recognition = new(3);
        using RecognitionSession session = new(recognition, Texts, RecognitionExtras.None, CancellationToken.None);
        int[] order = [.. Enumerable.Range(0, 8)];
        new Random(seed).Shuffle(order);
        foreach (var i in order)
        {
            session.Offer(i, [i]);
        }

        var recognised = session.Complete().Samples;
        Assert.Multiple(() =>
        {
            Assert.That(recognition.Chunks.Select(c => string.Join(' ', c)).Order(), Is.EqualTo(new[] { "0 1 2", "3 4 5", "6 7" }));
            Assert.That(recognised.Select(h => h.Score.Transcript), Is.EqualTo(Texts.Select((t, i) => $"{t}: {i}")));
        });
    }

    [Test]
    public void Complete_BeforeEverySampleWasOffered_Throws()
    {
        using FakeRecognition recognition = new(3);
        using RecognitionSession session = new(recognition, Texts, RecognitionExtras.None, CancellationToken.None);
        session.Offer(0, [0]);
        Assert.That(session.Complete, Throws.InvalidOperationException.With.Message.Contains("2 samples of chunk 0"));
    }

    [Test]
    public void Offer_Twice_Throws()
    {
        using FakeRecognition recognition = new(3);
        using RecognitionSession session = new(recognition, Texts, RecognitionExtras.None, CancellationToken.None);
        session.Offer(0, [0]);
        Assert.That(() => session.Offer(0, [0]), Throws.InvalidOperationException);
    }

    [Test]
    public void Dispose_BeforeRecognitionIsDone_CancelsItAndWaits()
    {
        using FakeRecognition recognition = new(3) { Hold = true };
        using (RecognitionSession session = new(recognition, Texts, RecognitionExtras.None, CancellationToken.None))
        {
            for (var i = 0; i < 3; i++)
            {
                session.Offer(i, [i]);
            }
        }

        Assert.That((recognition.Begun, recognition.Ended), Is.EqualTo((1, 1)));
    }

    /// <summary>Hears in every sample its text and first code.</summary>
    private sealed class FakeRecognition(int batchSize) : IRecognition
    {
        private int _begun;
        private int _ended;

        public bool Hold { get; init; }

        public List<int[]> Chunks { get; } = [];

        public int Begun => _begun;

        public int Ended => _ended;

        public int CodeCount => 100;

        public int BatchSize => batchSize;

        public bool WorksBesidePolicy => false;

        public string Name => "nobody";

        public void Announce(IReadOnlyCollection<string> texts)
        {
        }

        public void CheckText(string text)
        {
        }

        public async Task<RecognisedChunk> RecogniseAsync(IReadOnlyList<int[]> codes, IReadOnlyList<string> texts, RecognitionExtras extras, CancellationToken cancellation, IReadOnlyList<int>? leads = null)
        {
            Interlocked.Increment(ref _begun);
            lock (Chunks)
            {
                Chunks.Add([.. codes.Select(c => c[0])]);
            }

            try
            {
                await Task.Delay(Hold ? Timeout.Infinite : codes[0][0] == 0 ? 20 : 0, cancellation);
                return new RecognisedChunk([.. texts.Select((t, i) => RecognisedSample.Of(new SpeechScore($"{t}: {codes[i][0]}", 0, 0, 0), [], 16000))], 0, 0, 0);
            }
            finally
            {
                Interlocked.Increment(ref _ended);
            }
        }

        public void Dispose()
        {
        }
    }
}
