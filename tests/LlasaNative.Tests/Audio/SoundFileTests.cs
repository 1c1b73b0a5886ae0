using System.Diagnostics;
using LlasaNative.Audio;
using LlasaNative.Tests.Support;
using LlasaNative.Weights;

namespace LlasaNative.Tests.Audio;

[NonParallelizable]
public sealed class SoundFileTests
{
    private static readonly float[] Sound = LoudnessTests.Tone(16000, 440, 0.5, 0.5);

    [Test]
    public void Read_ReadsWavWithoutHelp_WhateverItsName()
    {
        using TemporaryDirectory folder = new();
        var path = folder.Write("a.flac", WaveFile.Encode(Sound, 16000));
        var read = WithPath("", () => SoundFile.Read(path));
        Assert.That((read.Samples.Length, read.SampleRate), Is.EqualTo((Sound.Length, 16000)));
    }

    [Test]
    public void Read_WithoutFfmpeg_SaysWhatIsMissing()
    {
        using TemporaryDirectory folder = new();
        var path = folder.Write("a.flac", "fLaC");
        var error = WithPath(folder.Path, () => Assert.Throws<ModelFileException>(() => SoundFile.Read(path)))!;
        Assert.That(error.Message, Does.StartWith(path).And.Contains("not a WAV file").And.Contains("ffmpeg").And.Contains("not installed"));
    }

    [TestCase("flac", 1 / 32768.0)]
    [TestCase("opus", 0.1)]
    [TestCase("mp3", 0.1)]
    public void Read_WithFfmpeg_ReadsOtherKinds(string kind, double difference)
    {
        using TemporaryDirectory folder = new();
        var (wave, path) = (folder.File("a.wav"), folder.File("a." + kind));
        WaveFile.Write(wave, Sound, 16000);
        Require("-v", "error", "-i", wave, path);
        foreach (var read in new[] { SoundFile.Read(path), SoundFile.Parse(File.ReadAllBytes(path), "a") })
        {
            var samples = Resampler.Resample(read, 16000).Samples.Span;
            Assert.That(samples.Length, Is.EqualTo(Sound.Length).Within(1600), "a coder may pad");
            var level = SoundLevel.RootMeanSquare(samples[..Math.Min(samples.Length, Sound.Length)]);
            Assert.That(level, Is.EqualTo(SoundLevel.RootMeanSquare(Sound)).Within(difference));
        }
    }

    [TestCase("adpcm_ms")]
    [TestCase("pcm_s64le")]
    public void MyWavIsOfAnotherCode_AndFfmpegReadsIt(string code)
    {
        using TemporaryDirectory folder = new();
        var (wave, path) = (folder.File("a.wav"), folder.File("b.wav"));
        WaveFile.Write(wave, Sound, 16000);
        Require("-v", "error", "-i", wave, "-c:a", code, path);
        Assert.That(SoundLevel.RootMeanSquare(SoundFile.Read(path).Samples.Span[..Sound.Length]), Is.EqualTo(SoundLevel.RootMeanSquare(Sound)).Within(0.01));
        Assert.That(() => WithPath(folder.Path, () => SoundFile.Read(path)), Throws.TypeOf<ModelFileException>().With.Message.Contains("not a WAV file of PCM, float or G.711"));
    }

    [Test]
    public void MyFilmIsRiffToo_AndItsSoundIsRead()
    {
        using TemporaryDirectory folder = new();
        var (wave, path) = (folder.File("a.wav"), folder.File("a.avi"));
        WaveFile.Write(wave, Sound, 16000);
        Require("-v", "error", "-i", wave, "-c:a", "pcm_s16le", path);
        Assert.That(SoundFile.Read(path).Samples.ToArray(), Is.EqualTo(SoundFile.Read(wave).Samples.ToArray()));
    }

    [Test]
    public void Read_OfWhatFfmpegCannotRead_SaysWhatItSaid()
    {
        using TemporaryDirectory folder = new();
        Require("-version");
        var path = folder.Write("a.mp3", "no sound at all");
        Assert.That(Assert.Throws<ModelFileException>(() => SoundFile.Read(path))!.Message, Does.StartWith(path).And.Contains("ffmpeg cannot read it: "));
    }

    [Test]
    public void MySoundIsAPicture_AndIAmToldThatItHoldsNoSound()
    {
        using TemporaryDirectory folder = new();
        var path = folder.File("a.gif");
        Require("-v", "error", "-f", "lavfi", "-i", "color=size=16x16", "-frames:v", "1", path);
        Assert.That(Assert.Throws<ModelFileException>(() => SoundFile.Read(path))!.Message, Is.EqualTo($"{path}: ffmpeg cannot read it: it holds no sound"));
    }

    [Test]
    public void Read_OfALongerSoundThanIsTaken_IsRefused_HoweverSmallItsFile()
    {
        using TemporaryDirectory folder = new();
        var wave = folder.Write("a.wav", WaveFile.Encode(Sound, 16000));
        Assert.That(SoundFile.Read(wave, longest: 0.5).Samples.Length, Is.EqualTo(Sound.Length));
        Assert.That(() => SoundFile.Read(wave, longest: 0.4), Throws.TypeOf<ModelFileException>().With.Message.Contains("more than 0.4 s of sound"));
        // An hour of silence, and seconds of it on eight channels that say 500 kHz: few bytes each, until they are unpacked.
        var (hour, wide) = (folder.File("hour.flac"), folder.File("wide.flac"));
        Require("-v", "error", "-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono", "-t", "3600", hour);
        Require("-v", "error", "-f", "lavfi", "-i", "anullsrc=r=500000:cl=7.1", "-t", "5", "-strict", "-2", wide);
        var before = GC.GetTotalAllocatedBytes();
        Assert.That(() => SoundFile.Read(hour, longest: 5), Throws.TypeOf<ModelFileException>().With.Message.Contains("more than 5 s of sound"));
        Assert.That(() => SoundFile.Parse(File.ReadAllBytes(wide), "a", longest: 5), Throws.TypeOf<ModelFileException>().With.Message.Contains("more than 5 s of sound"));
        Assert.That(GC.GetTotalAllocatedBytes() - before, Is.LessThan(100_000_000), "an hour is 230 MB");
    }

    [TestCase("wav")]
    [TestCase("flac")]
    public void Read_OfAPart_IsThatPartOfTheWhole(string kind)
    {
        using TemporaryDirectory folder = new();
        var (wave, path) = (folder.File("a.wav"), folder.File("a." + kind));
        float[] sound = [.. Enumerable.Range(0, 32_000).Select(i => i / 32_768f)];
        WaveFile.Write(wave, sound, 16_000);
        if (kind != "wav")
        {
            Require("-v", "error", "-i", wave, path);
        }

        float[] Part(double start, double? seconds) => SoundFile.Read(path, part: (start, seconds)).Samples.ToArray();
        Assert.That(Part(0.25, 0.5), Is.EqualTo(sound[4000..12_000]).Within(1e-6));
        Assert.That(Part(0, 0.125), Is.EqualTo(sound[..2000]).Within(1e-6));
        Assert.That(Part(1.5, null), Is.EqualTo(sound[24_000..]).Within(1e-6));
        Assert.That(Part(1.5, 9), Is.EqualTo(sound[24_000..]).Within(1e-6), "what lies beyond the end is left out");
        Assert.That(Part(3, 1), Is.Empty);
        Assert.That(SoundFile.Parse(File.ReadAllBytes(path), "a", part: (0.25, 0.5)).Samples.Length, Is.EqualTo(8000));
        Assert.That(SoundFile.Read(path, longest: 1, part: (0.5, 1)).Seconds, Is.EqualTo(1), "of a longer sound, too");
        Assert.That(() => SoundFile.Read(path, longest: 1, part: (0.5, 1.25)), Throws.TypeOf<ModelFileException>().With.Message.Contains("more than 1 s of sound"));
    }

    [Test]
    public void Parse_WithNowhereToPutTheFile_IsNoFaultOfTheSounds()
    {
        using TemporaryDirectory folder = new();
        var before = Environment.GetEnvironmentVariable("TMPDIR");
        try
        {
            Environment.SetEnvironmentVariable("TMPDIR", folder.File("none"));
            Assert.That(() => SoundFile.Parse([1, 2, 3], "a"), Throws.InstanceOf<IOException>());
        }
        finally
        {
            Environment.SetEnvironmentVariable("TMPDIR", before);
        }
    }

    private static void Require(params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("ffmpeg", arguments) { RedirectStandardOutput = true })!;
            process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            Assert.That(process.ExitCode, Is.Zero);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Ignore("ffmpeg is not installed");
        }
    }

    private static T WithPath<T>(string path, Func<T> work)
    {
        var before = Environment.GetEnvironmentVariable("PATH");
        try
        {
            Environment.SetEnvironmentVariable("PATH", path);
            return work();
        }
        finally
        {
            Environment.SetEnvironmentVariable("PATH", before);
        }
    }
}
