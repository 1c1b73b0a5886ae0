using LlasaNative.Audio;
using LlasaNative.Data;
using LlasaNative.Models;
using LlasaNative.Trainer;
using LlasaNative.Trainer.Serving.Speech;
using LlasaNative.Training;

namespace LlasaNative.EndToEnd.Tests.Serving;

/// <summary>Texts that are longer than a policy says in one go.</summary>
public sealed class SpeechReadingTests : SpeechServerFixture
{
    private const string Long = "the quiet river. a green stone. the old house.";

    [TestCase("a big dog", 200, "a big dog")]
    [TestCase("One. Two! Three? Four… Five", 9, "One. Two!|Three?|Four…|Five")]
    [TestCase("He said \"stop.\" Then he left.", 16, "He said \"stop.\"|Then he left.")]
    [TestCase("3.14 is pi. e is 2.72.", 12, "3.14 is pi.|e is 2.72.")]
    [TestCase("今日は。明日も。「はい。」次", 6, "今日は。|明日も。|「はい。」|次")]
    [TestCase("a line\nanother", 10, "a line|another")]
    [TestCase("one two, three four five six", 14, "one two,|three four|five six")]
    [TestCase("abcdefghijklmno", 10, "abcdefghij|klmno")]
    [TestCase("a\n\n b \r\n", 200, "a b")]
    public void Cut_IsAtSentences_ThenAtPauses_ThenBetweenWords(string text, int most, string parts) =>
        Assert.That(string.Join('|', Sentences.Cut(text, most)), Is.EqualTo(parts));

    [Test]
    public void Cut_LosesNothing_AndKeepsToItsLimit()
    {
        Random random = new(5);
        const string letters = "abc.,;! ?\n。、“”😀  ";
        for (var i = 0; i < 2000; i++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(1, 80)).Select(_ => letters[random.Next(letters.Length)])) + "x";
            var most = random.Next(10, 40);
            var parts = Sentences.Cut(text, most);
            Assert.That(parts.Select(p => p.Length), Is.All.InRange(1, most), text);
            Assert.That(Letters(string.Concat(parts)), Is.EqualTo(Letters(text)), text);
        }

        static string Letters(string text) => string.Concat(text.Where(c => !char.IsWhiteSpace(c)));
    }

    [TestCase(160, true)]
    [TestCase(8, false, Description = "no part ends within so few tokens: none is a voice to go on from")]
    public async Task LongText_GoesOnInTheVoiceOfWhatWasSaid_IfThatEnded(int maxNewTokens, bool ends)
    {
        await using var server = await StartAsync(Free with { PartCharacters = 20, MaxNewTokens = maxNewTokens });
        using var client = Client(server);
        var expected = new List<float>();
        using (var policy = PolicyModel.Load(TinyWorld.Policy, frozen: true))
        using (var codec = SpeechCodec.Load(TinyWorld.Codec))
        {
            Utterance? voice = null;
            foreach (var (part, i) in Sentences.Cut(Long, 20).Select((part, i) => (part, i)))
            {
                var drawn = policy.Sample(
                    new SampleRequest([policy.EncodePrompt(part, 50, 0, voice)], 1, new SamplingSettings { TopP = 0.9, MaxNewTokens = maxNewTokens }, [SpeechJob.Key(1, i)]) { Slots = 1 }, CancellationToken.None);
                Assert.That(drawn[0].Ended, Is.EqualTo(ends), part);
                var codes = policy.ReadCodes(drawn[0].Tokens.Span);
                using var sound = codec.Decode([[.. voice?.Codes ?? [], .. codes]]);
                expected.AddRange(sound[0][((voice?.Codes.Count ?? 0) * codec.SamplesPerCode)..]);
                voice = ends && codes.Length > 0 ? new Utterance(part, codes) : voice;
            }
        }

        Assert.That(await SoundAsync(client, Ask(Long)), Is.EqualTo(WaveFile.Encode([.. expected], 16_000)));
        Assert.That(Samples(await SoundAsync(client, Ask(Long, more: "\"stream_format\": \"audio\""))), Has.Length.EqualTo(expected.Count));
    }

    [Test]
    public async Task LongText_Apart_OrInAVoice_IsItsPartsOneAfterAnother()
    {
        MakeVoice("river", "the quiet river");
        await using var server = await StartAsync(Free with { PartCharacters = 20, CarryVoice = false, Voices = Folder });
        using var client = Client(server);
        using var policy = PolicyModel.Load(TinyWorld.Policy, frozen: true);
        int[] parts = [.. Sentences.Cut(Long, 20).Select((part, i) => Codes(policy, part, i, null))];
        Assert.That(Samples(await SoundAsync(client, Ask(Long))), Has.Length.EqualTo(parts.Sum() * 320));
        using var codec = SpeechCodec.Load(TinyWorld.Codec, withEncoder: true);
        Utterance river = new("the quiet river", codec.Encode(WaveFile.Read(Path.Combine(Folder, "river.wav")).Samples.Span));
        parts = [.. Sentences.Cut(Long, 20).Select((part, i) => Codes(policy, part, i, river))];
        Assert.That(Samples(await SoundAsync(client, Ask(Long).Replace("\"default\"", "\"river\"", StringComparison.Ordinal))), Has.Length.EqualTo(parts.Sum() * 320));
    }

    private static int Codes(PolicyModel policy, string part, int index, Utterance? voice)
    {
        var drawn = policy.Sample(
            new SampleRequest([policy.EncodePrompt(part, 50, 0, voice)], 1, new SamplingSettings { TopP = 0.9, MaxNewTokens = 160 }, [SpeechJob.Key(1, index)]) { Slots = 1 }, CancellationToken.None);
        return policy.ReadCodes(drawn[0].Tokens.Span).Length;
    }
}
