using System.Globalization;
using LlasaNative.Audio;
using LlasaNative.Configuration;
using LlasaNative.Models;
using LlasaNative.Trainer;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>Sound longer than the recogniser's window, which is 3 s of the tiny one: 150 codes.</summary>
public sealed class LongSoundTests : TinyWorldTests
{
    private const string Text = "a big dog";

    [Test]
    public void MyClipIsOneSampleLongerThanTheWindow_AndNoWordsAreInventedForIt()
    {
        using var recogniser = NativeRecogniser.Load(TinyWorld.Recogniser);
        var window = Spoken(150);
        var alone = Listen(recogniser, window);
        Assert.That(alone.BeyondWindow, Is.False);
        Assert.That(alone.Transcript, Is.Not.Empty);
        foreach (var tail in new[] { [0.5f], Spoken(49), Quiet(1e-5f), [.. Quiet(1e-5f), .. Quiet(1e-5f)] })
        {
            Assert.That(Listen(recogniser, [.. window, .. tail]), Is.EqualTo(alone with { BeyondWindow = true }), $"{tail.Length} samples more");
        }

        var longer = Listen(recogniser, [.. window, .. Spoken(100)]);
        Assert.That(longer.Transcript, Is.Not.EqualTo(alone.Transcript).And.StartsWith(alone.Transcript), "two seconds of speech are transcribed");
        Assert.That((longer.Nll, longer.NoSpeechProb), Is.EqualTo((alone.Nll, alone.NoSpeechProb)), "but the likelihood is the first window's");
    }

    [Test]
    public void HowSilentAWindowMustBe_IsTheGuardsMeasure()
    {
        var options = Listening(0.01);
        using var recogniser = NativeRecogniser.Load(TinyWorld.Recogniser, options);
        float[] window = Spoken(150), tail = Quiet(5e-3f);
        Assert.That(Listen(recogniser, [.. window, .. tail]).MeanLogProb, Is.EqualTo(Listen(recogniser, window).MeanLogProb), "silent at 0.01");
        using var louder = recogniser.ListenAs(Listening(0));
        Assert.That(Listen(louder, [.. window, .. tail]).MeanLogProb, Is.Not.EqualTo(Listen(louder, window).MeanLogProb), "the guard is off");

        static ScoringOptions Listening(double silence) => new Training.GrpoOptions { Reward = new Rewards.RewardOptions { SilenceRms = silence } }.ToScoring();
    }

    [Test]
    public void Score_OfALongSound_SaysThatTheLikelihoodIsOfTheWindowAlone()
    {
        var (window, longer) = (Path.Combine(Folder, "window.txt"), Path.Combine(Folder, "longer.txt"));
        File.WriteAllText(window, string.Join(' ', Codes(150)));
        File.WriteAllText(longer, string.Join(' ', Codes(151)));
        var fits = LlasaRunner.RunWell("score", Text, "--codes", window).Output;
        var tooLong = LlasaRunner.RunWell("score", Text, "--codes", longer).Output;
        Assert.That(fits, Does.Not.Contain("too long"));
        Assert.That(tooLong, Does.Contain("too long    3.02 s: NLL is of the recogniser's window alone, the first 3.00 s"));
        Assert.That(
            LlasaRunner.RunWell("score", Text, "--codes", longer, "--set", "reward.beyond_window=zero").Output,
            Does.Contain("refused     beyond_window").And.Contains("reward      0.0000"));
    }

    private static SpeechScore Listen(Training.IRecogniser recogniser, float[] sound)
    {
        using WaveBatch waves = new(sound, NativeRecogniser.SampleRate);
        return recogniser.Score(waves, [Text], CancellationToken.None)[0];
    }

    private static int[] Codes(int count)
    {
        Random random = new(3);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(1024))];
    }

    private static float[] Spoken(int codes)
    {
        using var codec = SpeechCodec.Load(TinyWorld.Codec);
        using var waves = codec.Decode([Codes(codes)]);
        return waves.Samples.ToArray();
    }

    /// <summary>A second and a half of a hum with this root mean square.</summary>
    private static float[] Quiet(float rms) =>
        [.. Enumerable.Range(0, 24_000).Select(i => rms * MathF.Sqrt(2) * MathF.Sin(2 * MathF.PI * i / 100))];
}
