using System.Text.Json.Nodes;
using LlasaNative.Interop;
using LlasaNative.Models;
using LlasaNative.Text;
using LlasaNative.Trainer;
using LlasaNative.Training;
using LlasaNative.Weights;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>Recognisers whose files differ from those of the tiny one.</summary>
public sealed class RecogniserTests : TinyWorldTests
{
    [TestCase(ScorePromptStyle.Full)]
    [TestCase(ScorePromptStyle.Seed)]
    public void AnEnglishOnlyWhisper_ListensWithoutLanguageAndTask(ScorePromptStyle style)
    {
        var path = Copy("generation_config.json", json => json["is_multilingual"] = false);
        using var recogniser = NativeRecogniser.Load(path, new ScoringOptions { Prompt = style });
        using var waves = Spoken();
        var score = recogniser.Score(waves, ["the cat"])[0];

        int[] prompt = [257, 264];
        int[] before = style == ScorePromptStyle.Full ? prompt : [257];
        int[] target = [.. before, .. ByteLevelBpe.FromFile(Path.Combine(path, "tokenizer.json")).Encode("the cat"), 256];
        using var native = LoadNative(path, out var tokenizer);
        var expected = native.Score(waves.Offsets, waves.Samples, new NativeWhisperRequest
        {
            MaxNewTokens = recogniser.Config.MaxTargetPositions - prompt.Length,
            PromptIds = prompt,
            NoSpeechToken = 263,
            TargetOffsets = [0, target.Length],
            TargetIds = target,
            TargetFirst = [before.Length],
        });
        Assert.That(recogniser.EncodeTarget("the cat"), Is.EqualTo(target));
        Assert.That(score.Transcript, Is.EqualTo(tokenizer.Decode(expected.Tokens(0), skipSpecialTokens: true).Trim()));
        Assert.That((score.Nll, score.MeanLogProb, score.NoSpeechProb), Is.EqualTo(((double)expected.MeanNlls[0], (double)expected.MeanLogProbs[0], (double)expected.NoSpeechProbs[0])));
    }

    [TestCase(ScorePromptStyle.Full)]
    [TestCase(ScorePromptStyle.Seed)]
    public void ALanguageForAnEnglishOnlyWhisper_IsRefused(ScorePromptStyle style)
    {
        var path = Copy("generation_config.json", json => json["is_multilingual"] = false);
        ScoringOptions options = new() { Prompt = style };
        foreach (var language in new[] { "de", "en", "English" })
        {
            Assert.That(() => NativeRecogniser.Load(path, options with { Language = language }), Throws.TypeOf<UsageException>().With.Message.Contains("English-only").And.Message.Contains("`default`"));
        }

        using var detecting = NativeRecogniser.Load(path, options with { Language = "auto" });
        using var waves = Spoken();
        using var given = NativeRecogniser.Load(path, options);
        Assert.That(detecting.Score(waves, ["the cat"]), Is.EqualTo(given.Score(waves, ["the cat"])), "there is nothing to detect");
    }

    [Test]
    public void MyLanguagesAreScattered_AndOneOfThemIsDetected()
    {
        // With 257, the start, and most letters between them.
        var path = Copy("generation_config.json", json => json["lang_to_id"] = new JsonObject { ["<|de|>"] = 3, ["<|en|>"] = 258 });
        using var waves = Spoken();
        var scores = new[] { "auto", "de", "en" }.Select(language =>
        {
            using var recogniser = NativeRecogniser.Load(path, new ScoringOptions { Language = language });
            return recogniser.Score(waves, ["the cat"])[0];
        }).ToArray();
        // Detecting reads the prompt in two pieces, so that sums are rounded otherwise: below 2e-5, as in the native test.
        Assert.That(Math.Abs(scores[1].Nll - scores[2].Nll), Is.GreaterThan(1e-3));
        Assert.That(scores[1..].Count(given => Math.Abs(given.Nll - scores[0].Nll) < 2e-5 && given.Transcript == scores[0].Transcript), Is.EqualTo(1));
    }

    [Test]
    public void MyGenerationConfigListsSeveralEnds_AndEachEndsATranscript()
    {
        using var waves = Spoken();
        using var tiny = NativeRecogniser.Load(TinyWorld.Recogniser);
        var whole = tiny.Score(waves, [])[0].Transcript;
        Assert.That(whole, Has.Length.GreaterThan(3));
        var end = whole.Last(char.IsAsciiLetter);
        var id = ByteLevelBpe.FromFile(Path.Combine(TinyWorld.Recogniser, "tokenizer.json")).Encode(end.ToString())[0];
        using var recogniser = NativeRecogniser.Load(Copy("generation_config.json", json => json["eos_token_id"] = new JsonArray(id, 256)));
        Assert.That(recogniser.Score(waves, [])[0].Transcript, Is.EqualTo(whole[..whole.IndexOf(end, StringComparison.Ordinal)].Trim()));
        Assert.That(recogniser.EncodeTarget("the"), Is.EqualTo(tiny.EncodeTarget("the")));
    }

    [Test]
    public void ATextIsMeasuredWithTheSpaceItsRecogniserWasTrainedWith()
    {
        var path = Copy("tokenizer.json", json =>
        {
            // The id of <|startoflm|> becomes a word with its space; the tokens before it stand in the vocabulary, too, which has no gap then.
            var added = json["added_tokens"]!.AsArray();
            added.Remove(added.First(t => (int)t!["id"]! == 261));
            foreach (var token in added.Where(t => (int)t!["id"]! < 261))
            {
                json["model"]!["vocab"]![(string)token!["content"]!] = (int)token["id"]!;
            }

            json["model"]!["vocab"]!["\u0120t"] = 261;
            json["model"]!["merges"] = new JsonArray(new JsonArray("\u0120", "t"));
        });
        Assert.That(Target(path, new ScoringOptions()), Is.EqualTo([257, 258, 260, 264, 261, .. Letters("he"), 256]));
        Assert.That(Target(path, new ScoringOptions { LeadingSpace = LeadingSpace.False }), Is.EqualTo([257, 258, 260, 264, .. Letters("the"), 256]));
        Assert.That(Target(path, new ScoringOptions { Prompt = ScorePromptStyle.Seed }), Is.EqualTo([257, .. Letters("the"), 256]));
        Assert.That(Target(TinyWorld.Recogniser, new ScoringOptions()), Is.EqualTo([257, 258, 260, 264, .. Letters("the"), 256]));
        Assert.That(Target(TinyWorld.Recogniser, new ScoringOptions { LeadingSpace = LeadingSpace.True }), Is.EqualTo([257, 258, 260, 264, .. Letters(" the"), 256]));

        static int[] Target(string path, ScoringOptions options)
        {
            using var recogniser = NativeRecogniser.Load(path, options);
            return recogniser.EncodeTarget("the");
        }

        static int[] Letters(string text) => ByteLevelBpe.FromFile(Path.Combine(TinyWorld.Recogniser, "tokenizer.json")).Encode(text);
    }

    private static NativeWhisper LoadNative(string path, out ByteLevelBpe tokenizer)
    {
        using var directory = HuggingFaceDirectory.Open(path);
        tokenizer = ByteLevelBpe.FromDirectory(directory.Path);
        NativeWhisper whisper = new(NativeRecogniser.ToNative(WhisperConfig.FromFile(directory.ConfigPath), 256, ComputeType.F32));
        WeightLoader.Load(directory, whisper.GetTensors(), whisper.SetTensor);
        return whisper;
    }

    /// <summary>The tiny policy's codec saying something, two seconds long.</summary>
    private static WaveBatch Spoken()
    {
        using var codec = SpeechCodec.Load(TinyWorld.Codec);
        Random random = new(3);
        return codec.Decode([[.. Enumerable.Range(0, 100).Select(_ => random.Next(codec.Native.CodeCount))]]);
    }

    /// <summary>The tiny recogniser with one of its JSON files changed.</summary>
    private string Copy(string file, Action<JsonNode> change)
    {
        var path = Path.Combine(Folder, "recogniser");
        Directory.CreateDirectory(path);
        foreach (var name in Directory.GetFiles(TinyWorld.Recogniser))
        {
            File.Copy(name, Path.Combine(path, Path.GetFileName(name)), overwrite: true);
        }

        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(path, file)))!;
        change(json);
        File.WriteAllText(Path.Combine(path, file), json.ToJsonString());
        return path;
    }
}
