using LlasaNative.Data;
using LlasaNative.Data.Parquet;
using LlasaNative.Tests.Support;
using LlasaNative.Training;

namespace LlasaNative.Tests.Data;

/// <summary>Files of samples and of pairs, and who else reads them.</summary>
public sealed class SampleFileTests
{
    private static readonly SampledSpeech[] Samples =
    [
        new("a ship", [1, 2, 3])
        {
            Policy = "first", Voice = new VoiceReference("/voices/x.wav", "hello"), Transcript = "a sheep", Reward = 0.5, Cer = 0.25, Nll = 1.5, Ended = true, F0Semitones = 4, Rate = 20,
        },
        new("a dog", [7]) { Policy = "second" },
    ];

    [Test]
    public void Samples_AreReadAsTheyWereWritten_AndAsACorpus()
    {
        using TemporaryDirectory folder = new();
        var path = folder.File("samples.parquet");
        SampleFile.Write(path, Samples);
        var read = SampleFile.Read(path);
        var corpus = PromptFile.ReadUtterances(DataFiles.Find(path), 8);
        Assert.Multiple(() =>
        {
            Assert.That(read.Select(s => s with { Codes = [] }), Is.EqualTo(Samples.Select(s => s with { Codes = [] })));
            Assert.That(read.Select(s => s.Codes), Is.EqualTo(Samples.Select(s => s.Codes)));
            Assert.That(corpus.Select(u => u.Codes), Is.EqualTo(Samples.Select(s => s.Codes)));
            Assert.That(corpus[0].Voice, Is.EqualTo(Samples[0].Voice));
        });
    }

    [Test]
    public void Pairs_AreWhatDpoReads_AndUnjudgedOnesAreNot()
    {
        using TemporaryDirectory folder = new();
        string judged = folder.File("judged.parquet"), open = folder.File("open.parquet");
        SampleFile.Write(judged, [new SpeechPair(Samples[0], Samples[1], true)]);
        SampleFile.Write(open, [new SpeechPair(Samples[0], Samples[1], false)]);
        var pair = PromptFile.ReadPairs(DataFiles.Find(judged), 8, p => p).Single();
        Assert.Multiple(() =>
        {
            Assert.That((pair.Text, pair.Voice), Is.EqualTo((Samples[0].Text, Samples[0].Voice)));
            Assert.That((pair.Chosen, pair.Rejected), Is.EqualTo((Samples[0].Codes, Samples[1].Codes)));
            Assert.That(() => PromptFile.ReadPairs(DataFiles.Find(open), 8, p => p), Throws.InstanceOf<LlasaException>().With.Message.Contains("has no list `chosen`"));
            Assert.That(() => SampleFile.Read(judged), Throws.TypeOf<ParquetException>().With.Message.Contains("codes").And.Message.Contains("llasa sample"));
        });
    }
}
