using LlasaNative.Recognition;
using LlasaNative.Models;
using LlasaNative.Trainer;
using LlasaNative.Training;

namespace LlasaNative.EndToEnd.Tests.Serving;

/// <summary>More samples than the recogniser takes at once.</summary>
public sealed class LocalRecognitionTests
{
    private static readonly ModelOptions Models = TinyWorld.Fill(new ModelOptions());

    [Test]
    public async Task ListenAsync_MoreThanABatch_IsWhatEachBatchSaysAlone()
    {
        using var recognition = Engine.NativeEngine.LoadRecognition(Models, new ScoringOptions { BatchSize = 3 });
        var (codes, texts) = Samples(7);
        var together = await recognition.RecogniseAsync(codes, texts, RecognitionExtras.Sound, CancellationToken.None);
        List<RecognisedSample> apart = [];
        for (var first = 0; first < codes.Length; first += 3)
        {
            var last = Math.Min(first + 3, codes.Length);
            apart.AddRange((await recognition.RecogniseAsync(codes[first..last], texts[first..last], RecognitionExtras.Sound, CancellationToken.None)).Samples);
        }

        Assert.That(together.Samples, Has.Count.EqualTo(7));
        Assert.That(together.Samples.Select(h => h.Score), Is.EqualTo(apart.Select(h => h.Score)));
        Assert.That(together.Samples.Select(h => h.Sound), Is.EqualTo(apart.Select(h => h.Sound)));
        Assert.That(together.VocodeSeconds, Is.Positive);
    }

    [Test]
    public async Task ListenAsync_NoSamples_HearsNothing()
    {
        using var recognition = Engine.NativeEngine.LoadRecognition(Models, new ScoringOptions());
        Assert.That((await recognition.RecogniseAsync([], [], RecognitionExtras.None, CancellationToken.None)).Samples, Is.Empty);
    }

    [Test]
    public void ListenAsync_Cancelled_GivesUpBetweenBatches()
    {
        using var recognition = Engine.NativeEngine.LoadRecognition(Models, new ScoringOptions { BatchSize = 1 });
        var (codes, texts) = Samples(5000);   // tens of seconds of work
        using var cancellation = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        Assert.That(async () => await recognition.RecogniseAsync(codes, texts, RecognitionExtras.None, cancellation.Token), Throws.InstanceOf<OperationCanceledException>());
    }

    private static (int[][] Codes, string[] Texts) Samples(int count)
    {
        var random = new Random(5);
        int[][] codes = [.. Enumerable.Range(0, count).Select(i => Enumerable.Range(0, 20 + (i % 9)).Select(_ => random.Next(16)).ToArray())];
        return (codes, [.. codes.Select((_, i) => i % 2 == 0 ? "hello" : "the cat sat")]);
    }
}
