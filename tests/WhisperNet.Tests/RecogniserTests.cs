using System.Globalization;
using LlasaNative.Audio;
using LlasaNative.Engine;

using LlasaNative.Models;
using LlasaNative.Rewards;
using LlasaNative.Tests.Support;
using LlasaNative.Text;
using LlasaNative.Training;

namespace LlasaNative.WhisperNet.Tests;

/// <summary>The tiny recogniser by Whisper.net, against the same weights by the native engine.</summary>
public class RecogniserTests
{
    private TemporaryDirectory _folder = null!;
    private string _model = null!;
    private string[] _texts = null!;
    private WaveBatch _waves = null!;

    /// <summary>How many sentences; more of them when asked, for the table in docs/dependencies.md.</summary>
    private static int Sentences =>
        int.TryParse(Environment.GetEnvironmentVariable("LLASA_EAR_SENTENCES"), NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : 16;

    [OneTimeSetUp]
    public void Speak()
    {
        _folder = new TemporaryDirectory();
        _model = Ggml.Tiny(_folder.Path);
        var tiny = Path.Combine(OracleData.RepositoryRoot, "assets", "tiny");
        _texts = [.. File.ReadLines(Path.Combine(tiny, "sentences", "test.txt")).Take(Sentences)];
        ModelOptions models = new() { Policy = Path.Combine(tiny, "policy"), Codec = Path.Combine(tiny, "xcodec2"), Recogniser = Ggml.TinyWhisper };
        using var all = NativeEngine.Load(models, new PromptOptions(), new ScoringOptions());
        EvaluationOptions how = new();
        var spoken = new Evaluator(all, new SampleJudge(new RewardOptions())).Evaluate(all.Encode(_texts, how.MaxNewTokens), how, _ => true);
        float[][] sounds = [.. spoken.Samples.Select(s => s.Sound!)];
        var offsets = new long[sounds.Length + 1];
        for (var i = 0; i < sounds.Length; i++)
        {
            offsets[i + 1] = offsets[i] + sounds[i].Length;
        }

        _waves = new WaveBatch(offsets, WhisperNetRecogniser.SampleRate);
        sounds.SelectMany(s => s).ToArray().CopyTo(_waves.Samples);
    }

    [OneTimeTearDown]
    public void CleanUp()
    {
        _waves?.Dispose();
        _folder.Dispose();
    }

    [TestCase(ScorePromptStyle.Seed, Category = "Long")]
    [TestCase(ScorePromptStyle.Full)]
    public void Listen_HearsWhatTheNativeEngineHears(ScorePromptStyle style)
    {
        ScoringOptions options = new() { Prompt = style };
        using var native = NativeRecogniser.Load(Ggml.TinyWhisper, options);
        using var ear = WhisperNetRecogniser.Load(_model, options);
        var wanted = native.Score(_waves, _texts);
        var heard = ear.Score(_waves, _texts, CancellationToken.None);
        var bound = Ggml.LogProbBound(Ggml.TinyWhisper);
        var equal = heard.Zip(wanted).Count(p => p.First.Transcript == p.Second.Transcript);
        double[] apart = [.. heard.Zip(wanted).Select(p => Math.Abs(p.First.Nll - p.Second.Nll))];
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{style}: {equal} of {heard.Length} transcripts equal, |difference of NLL| mean {apart.Average():e2}, worst {apart.Max():e2}, bound {bound:e2}; ")
            + string.Create(CultureInfo.InvariantCulture, $"no speech {heard.Zip(wanted).Max(p => Math.Abs(p.First.NoSpeechProb - p.Second.NoSpeechProb)):e2}"));
        if (Environment.GetEnvironmentVariable("LLASA_EAR_OUT") is { Length: > 0 } folder)
        {
            File.WriteAllText(Path.Combine(folder, $"{style}.json"), string.Create(CultureInfo.InvariantCulture,
                $"{{\"sentences\": {heard.Length}, \"equal_transcripts\": {equal}, \"nll_mean_difference\": {apart.Average():R}, \"nll_worst_difference\": {apart.Max():R}, \"bound\": {bound:R}}}\n"));
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(apart.Max(), Is.LessThan(bound));
            Assert.That(equal, Is.EqualTo(heard.Length));
            Assert.That(heard.Select(h => h.Language), Is.All.EqualTo("en"));
        }
    }

    [Test]
    public void MyClipIsOneSampleLongerThanTheWindow_AndTheSecondEarInventsNoWordsEither()
    {
        using var ear = WhisperNetRecogniser.Load(_model);
        float[] window = [.. _waves.Samples[..48_000]], quiet = [.. Enumerable.Range(0, 24_000).Select(i => i % 2 == 0 ? 1e-5f : -1e-5f)];
        var alone = Listen(window);
        Assert.That(alone.BeyondWindow, Is.False);
        Assert.That(Listen([.. window, 0.5f]), Is.EqualTo(alone with { BeyondWindow = true }));
        Assert.That(Listen([.. window, .. quiet]), Is.EqualTo(alone with { BeyondWindow = true }));
        Assert.That(Listen([.. window, .. window[..32_000]]).Transcript, Is.Not.EqualTo(alone.Transcript), "two seconds of speech are transcribed");

        SpeechScore Listen(float[] sound)
        {
            using WaveBatch waves = new(sound, WhisperNetRecogniser.SampleRate);
            return ear.Score(waves, ["a quiet river"], CancellationToken.None)[0];
        }
    }

    [Test, Category("Long")]
    public void Listen_WithOneOrSeveralStates_IsTheSame()
    {
        using var one = WhisperNetRecogniser.Load(_model, states: 1);
        using var several = WhisperNetRecogniser.Load(_model, states: 4);
        Assert.That(several.Score(_waves, _texts, CancellationToken.None), Is.EqualTo(one.Score(_waves, _texts, CancellationToken.None)));
    }

    [Test, Category("Long")]
    public void Listen_ToTheWrongText_FindsItLessLikely()
    {
        using var ear = WhisperNetRecogniser.Load(_model);
        var right = ear.Score(_waves, _texts, CancellationToken.None).Average(h => h.Nll);
        var wrong = ear.Score(_waves, [.. _texts.Skip(1), _texts[0]], CancellationToken.None).Average(h => h.Nll);
        Assert.That(wrong, Is.GreaterThan(right + 1));
    }

    [Test]
    public void Listen_ToNothing_IsPossible()
    {
        using var ear = WhisperNetRecogniser.Load(_model);
        using WaveBatch nothing = new([0, 0], WhisperNetRecogniser.SampleRate);
        Assert.That(ear.Score(nothing, ["a quiet river"], CancellationToken.None)[0].Nll, Is.Positive.And.LessThan(double.PositiveInfinity));
    }

    [Test]
    public void EncodeTarget_OfALongText_SaysWhatTheModelAllows()
    {
        using var ear = WhisperNetRecogniser.Load(_model);
        Assert.That(() => ear.EncodeTarget(new string('a', 100)), Throws.TypeOf<UsageException>().With.Message.Contains("105 tokens").And.Message.Contains("allows 64"));
    }

    [Test]
    public void EncodeTarget_InBothStyles_StartsAsAsked()
    {
        using var full = WhisperNetRecogniser.Load(_model);
        using var seed = WhisperNetRecogniser.Load(_model, new ScoringOptions { Prompt = ScorePromptStyle.Seed });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(full.EncodeTarget("ab"), Is.EqualTo(new[] { 50258, 50259, 50359, 50363, 64, 65, 50257 }));
            Assert.That(seed.EncodeTarget("ab"), Is.EqualTo(new[] { 50258, 64, 65, 50257 }));
        }
    }
}
