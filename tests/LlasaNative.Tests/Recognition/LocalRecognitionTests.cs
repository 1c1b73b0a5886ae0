using LlasaNative.Audio;
using LlasaNative.Models;
using LlasaNative.Recognition;
using LlasaNative.Tests.Audio;
using LlasaNative.Training;

namespace LlasaNative.Tests.Recognition;

public sealed class LocalRecognitionTests
{
    [Test]
    public void Recognise_MeasuresEachSoundByItself_WhateverTheThreads()
    {
        // Of different length and pitch, so that a tracker's buffers of one sound are too short for the next or left over from it.
        float[][] clips = [.. Enumerable.Range(0, 24).Select(i => Voices.Sing(0.1 + (i * 7 % 5 * 0.15), t => 90 + (13 * i) + (20 * t)))];
        string[] texts = [.. clips.Select((_, i) => $"text {i}")];
        Prosody[] expected = [.. clips.Select(clip => Prosody.Measure(clip, Voices.Rate, new PitchTracker()))];
        Assert.That(expected.Distinct().Count(), Is.EqualTo(clips.Length), "or an exchange would not be seen");
        foreach (var threads in new[] { 1, 2, 5 })
        {
            using LocalRecognition recognition = new("ear", clips.Length, new NoCodec(), new Ear(), worksBesidePolicy: false, threads);
            for (var again = 0; again < 2; again++)   // with trackers that were used before
            {
                using Clips waves = new(clips);
                var samples = recognition.Recognise(waves, texts, RecognitionExtras.Prosody, CancellationToken.None).Samples;
                Assert.Multiple(() =>
                {
                    Assert.That(samples.Select(s => s.Prosody), Is.EqualTo(expected), $"{threads} threads");
                    Assert.That(samples.Select(s => s.Score.Transcript), Is.EqualTo(texts));
                    Assert.That(samples.Select(s => s.Seconds), Is.EqualTo(clips.Select(c => c.Length / (double)Voices.Rate)));
                });
            }
        }
    }

    [Test]
    public void ThreadsBelowOne_AreRefused() => Assert.That(
        () => new LocalRecognition("ear", 1, new NoCodec(), new Ear(), worksBesidePolicy: false, threads: 0), Throws.TypeOf<ArgumentOutOfRangeException>());

    private sealed class Clips(float[][] clips) : ISounds
    {
        public int Count => clips.Length;

        public int SampleRate => Voices.Rate;

        public ReadOnlySpan<float> this[int index] => clips[index];

        public void Dispose()
        {
            // Nothing but managed memory.
        }
    }

    /// <summary>Hears the text in every sound.</summary>
    private sealed class Ear : IRecogniser
    {
        public int BatchSize => int.MaxValue;

        public int WindowSamples => int.MaxValue;

        public IRecogniser ListenAs(ScoringOptions options) => throw new NotSupportedException();

        public void CheckText(string text) => throw new NotSupportedException();

        public SpeechScore[] Score(ISounds sounds, IReadOnlyList<string> texts, CancellationToken cancellation) => [.. texts.Select(text => new SpeechScore(text, 1, 0, 0))];

        public void Dispose()
        {
            // Nothing to let go of.
        }
    }

    private sealed class NoCodec : ISpeechCodec
    {
        public int SampleRate => Voices.Rate;

        public int SamplesPerCode => 320;

        public int CodeCount => 1;

        public bool CanEncode => false;

        public ISounds Decode(IReadOnlyList<int[]> clips) => throw new NotSupportedException();

        public int[] Encode(ReadOnlySpan<float> samples) => throw new NotSupportedException();

        public void Dispose()
        {
            // Nothing to let go of.
        }
    }
}
