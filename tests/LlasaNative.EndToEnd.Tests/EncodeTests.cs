using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using LlasaNative.Audio;
using LlasaNative.Data;
using LlasaNative.Weights;
using static LlasaNative.EndToEnd.Tests.LlasaRunner;

namespace LlasaNative.EndToEnd.Tests;

public sealed class EncodeTests : TinyWorldTests
{
    private static string Case => Path.Combine(TestContext.CurrentContext.TestDirectory, "..", "..", "..", "..", "fixtures", "xcodec2", "full_tiny");

    private string Output => Path.Combine(Folder, "out", "codes.jsonl");

    [TestCase("codes.jsonl")]
    [TestCase("codes.parquet")]
    public void Encode_GivesTheCodesOfTheReference(string name)
    {
        var (manifest, output) = (Path.Combine(Folder, "a.txt"), Path.Combine(Folder, "out", name));
        File.WriteAllText(manifest, $"{Case}/enc0.wav|first\n{Case}/enc1.wav|second\n");
        RunWell("encode", manifest, "-o", output, "--codec", Path.Combine(Case, "hf"));
        using var expected = SafeTensorsFile.Open(Path.Combine(Case, "expected.safetensors"));
        int[] Codes(int i) => [.. MemoryMarshal.Cast<byte, long>(expected.GetBytes($"enc{i}.audio_codes")).ToArray().Select(code => (int)code)];
        var read = PromptFile.ReadUtterances(DataFiles.Find(output), int.MaxValue);
        Assert.That(read.Select(u => u.Text), Is.EqualTo(new[] { "first", "second" }));
        Assert.That(read.Select(u => u.Codes), Is.EqualTo(new[] { Codes(0), Codes(1) }));
        Assert.That(Directory.GetFiles(Path.Combine(Folder, "out")), Is.EqualTo(new[] { output }), "nothing else is left");
    }

    [Test]
    public void Encode_OfWhatWasSpoken_IsHeardAgain_AndCanBeTrainedOn()
    {
        string[] texts = ["the quiet river", "a green stone"];
        foreach (var (i, text) in texts.Index())
        {
            RunWell("speak", text, "--greedy", "--out", Path.Combine(Folder, "in", $"{i}.wav"));
            File.WriteAllText(Path.Combine(Folder, "in", $"{i}.txt"), text);
        }

        var done = RunWell("encode", Path.Combine(Folder, "in"), "-o", Output, "--verify", "--trim", "--loudness", "-23");
        Assert.That(done.Output, Does.Contain("2 utterances").And.Contains("0 left out").And.Match(@"round trip CER 0\.\d{4} \(\d+ of 28 characters\)"));
        JsonNode[] lines = [.. File.ReadLines(Output).Select(line => JsonNode.Parse(line)!)];
        Assert.That(lines.Select(l => (string)l["text"]!), Is.EqualTo(texts));
        Assert.That(lines.Select(l => (double)l["cer"]!).Max(), Is.LessThan(1), "something was heard");
        Assert.That(lines.Select(l => (double)l["duration"]!), Is.All.GreaterThan(0.5));
        RunWell("sft", "--data", Output, "--steps", "1", "--out", Path.Combine(Folder, "run"), "--set", "sft.batch_size=2");
    }

    [Test]
    public void MyManifestCutsOneLongSoundIntoSentences_AndEachGetsItsOwnPart()
    {
        var sounds = Sounds(2);
        WaveAudio[] apart = [.. Enumerable.Range(0, 2).Select(i => WaveFile.Read(Path.Combine(sounds, $"{i}.wav")))];
        WaveFile.Write(Path.Combine(Folder, "long.wav"), [.. apart[0].Samples.Span, .. apart[1].Samples.Span], apart[0].SampleRate);
        var manifest = Path.Combine(Folder, "manifest.jsonl");
        File.WriteAllText(manifest, string.Create(System.Globalization.CultureInfo.InvariantCulture, $$"""
            {"audio_filepath": "long.wav", "text": "a", "offset": 0, "duration": {{apart[0].Seconds}}}
            {"audio_filepath": "long.wav", "text": "b", "offset": {{apart[0].Seconds}}, "duration": {{apart[1].Seconds}}}

            """));
        RunWell("encode", manifest, "-o", Output);
        RunWell("encode", sounds, "-o", Path.Combine(Folder, "apart.jsonl"));
        string[] Codes(string path) => [.. File.ReadLines(path).Select(line => JsonNode.Parse(line)!["codes"]!.ToJsonString())];
        Assert.That(Codes(Output), Is.EqualTo(Codes(Path.Combine(Folder, "apart.jsonl"))));
        Assert.That(Codes(Output)[0], Is.Not.EqualTo(Codes(Output)[1]));
    }

    [Test]
    public void Encode_StopsAtAFault_GoesOnWhenItIsMended_OrLeavesItOut()
    {
        var sounds = Sounds(3);
        File.WriteAllText(Path.Combine(sounds, "1.wav"), "RIFF");
        var stopped = Run("encode", sounds, "-o", Output);
        Assert.That(stopped.ExitCode, Is.EqualTo(1));
        Assert.That(stopped.Error, Does.Contain(Path.Combine(sounds, "1.wav")).And.Contains("--skip-faulty"));
        Assert.That(File.Exists(Output), Is.False);

        Assert.That(Run("encode", sounds, "-o", Output, "--trim").Error, Does.Contain("other settings"));
        var mended = RunWell("encode", sounds, "-o", Output, "--skip-faulty");
        Assert.That(mended.Error, Does.Contain("going on after 1 of 3").And.Contains($"left out: {Path.Combine(sounds, "1.wav")}"));
        Assert.That(mended.Output, Does.Contain("2 utterances").And.Contains("1 left out"));
        Assert.That(File.ReadLines(Output).Select(l => (string)JsonNode.Parse(l)!["text"]!), Is.EqualTo(new[] { "number 0", "number 2" }));
    }

    [Test, Category("Long")]
    public void Encode_InterruptedAndTakenUpAgain_GivesTheSameFile()
    {
        var sounds = Sounds(40);
        using (var process = StartAndAwait("step  1/40", "encode", sounds, "-o", Output, "--batch-size", "1"))
        {
            Signal(process, "INT");
            process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.That(process.ExitCode, Is.EqualTo(130));
        }

        // As a process leaves it that is killed in the middle of a line.
        File.AppendAllText(Output + ".partial", "{\"text\":\"numb");
        Assert.That(RunWell("encode", sounds, "-o", Output).Error, Does.Match("going on after [1-3]?[0-9] of 40"));
        var whole = Path.Combine(Folder, "whole.jsonl");
        RunWell("encode", sounds, "-o", whole);
        Assert.That(File.ReadAllBytes(Output), Is.EqualTo(File.ReadAllBytes(whole)));
    }

    [Test]
    public void Encode_OfOtherSourcesThanItWasBegunWith_IsRefused()
    {
        var sounds = Sounds(3);
        File.WriteAllText(Path.Combine(sounds, "1.wav"), "RIFF");
        Assert.That(Run("encode", sounds, "-o", Output).ExitCode, Is.EqualTo(1));
        File.Move(Path.Combine(sounds, "0.wav"), Path.Combine(sounds, "3.wav"));
        File.Move(Path.Combine(sounds, "0.txt"), Path.Combine(sounds, "3.txt"));
        var refused = Run("encode", sounds, "-o", Output, "--skip-faulty");
        Assert.That((refused.ExitCode, refused.Error), Is.EqualTo((2, refused.Error)));
        Assert.That(refused.Error, Does.Contain("0.wav`, which is `").And.Contains("--restart"));
        Assert.That(RunWell("encode", sounds, "-o", Output, "--skip-faulty", "--restart").Output, Does.Contain("2 utterances"));
    }

    [Test]
    public void IWriteTheCodesBesideTheirSounds_AndEncodeThemAgain()
    {
        var (sounds, first) = (Sounds(2), Path.Combine(Folder, "first.jsonl"));
        var codes = Path.Combine(sounds, "codes.jsonl");
        RunWell("encode", sounds, "-o", codes);
        File.Copy(codes, first);
        RunWell("encode", sounds, "-o", codes);
        Assert.That(File.ReadAllBytes(codes), Is.EqualTo(File.ReadAllBytes(first)));
    }

    [Test]
    public void MyFloatsAreInUnitsOfIntegers_AndAreNotMadeIntoCodesOfNoise()
    {
        var sounds = Sounds(1);
        foreach (var (name, scale) in new[] { ("1", 32768f), ("2", MathF.ScaleB(1, 126)), ("3", 4f) })
        {
            float[] sound = [.. WaveFile.Read(Path.Combine(sounds, "0.wav")).Samples.ToArray().Select(s => s * scale)];
            File.WriteAllBytes(Path.Combine(sounds, name + ".wav"), [.. Floats(sound.Length), .. MemoryMarshal.AsBytes<float>(sound)]);
            File.WriteAllText(Path.Combine(sounds, name + ".txt"), "number " + name);
        }

        var done = RunWell("encode", sounds, "-o", Output, "--skip-faulty");
        Assert.That(done.Error, Does.Contain("1.wav: has amplitudes up to 9.8").And.Contains("2.wav: has amplitudes up to 2.5"));
        Assert.That(File.ReadLines(Output).Select(line => (string)JsonNode.Parse(line)!["text"]!), Is.EqualTo(new[] { "number 0", "number 3" }));
        RunWell("encode", sounds, "-o", Output, "--loudness", "-23");
        // As loud as each other but for rounding, which may take one code for its neighbour.
        int[][] codes = [.. File.ReadLines(Output).Select(line => JsonNode.Parse(line)!["codes"]!.AsArray().Select(code => (int)code!).ToArray())];
        Assert.That(codes.Select(of => of.Zip(codes[0]).Count(pair => pair.First == pair.Second)), Is.All.GreaterThanOrEqualTo(codes[0].Length - 1));
    }

    /// <summary>The head of a WAV file of 32-bit floats, one channel, 16 kHz.</summary>
    private static byte[] Floats(int count)
    {
        var head = WaveFile.Header(2L * count, 16_000);   // as many bytes as twice so many of 16 bits
        (head[20], head[32], head[34]) = (3, 4, 32);
        BitConverter.TryWriteBytes(head.AsSpan(28), 64_000);
        return head;
    }

    [Test]
    public void Encode_OfNothingThatCouldBeRead_TriesAgainTheNextTime()
    {
        var sounds = Sounds(1);
        var sound = File.ReadAllBytes(Path.Combine(sounds, "0.wav"));
        File.WriteAllText(Path.Combine(sounds, "0.wav"), "RIFF");
        Assert.That(Run("encode", sounds, "-o", Output, "--skip-faulty").Error, Does.Contain("no entry could be encoded"));
        File.WriteAllBytes(Path.Combine(sounds, "0.wav"), sound);
        Assert.That(RunWell("encode", sounds, "-o", Output, "--skip-faulty").Output, Does.Contain("1 utterances"));
    }

    [Test]
    public void IEncodeIntoOneFileTwiceAtOnce_AndTheSecondIsRefused()
    {
        var sounds = Sounds(10);
        using var process = StartAndAwait("step  1/10", "encode", sounds, "-o", Output, "--batch-size", "1");
        Signal(process, "STOP");
        var second = Run("encode", sounds, "-o", Output);
        Assert.That((second.ExitCode, second.Error), Is.EqualTo((1, second.Error)));
        Assert.That(second.Error, Does.Contain(Output + ".partial: cannot be written: "));
        Signal(process, "CONT");
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.That((process.ExitCode, File.ReadLines(Output).Count()), Is.EqualTo((0, 10)));
    }

    [TestCase("codes.txt", "neither .jsonl nor .parquet")]
    [TestCase("", "is a directory")]
    [TestCase("codes.jsonl", "--loudness", "--loudness", "3")]
    [TestCase("codes.jsonl", "--batch-size", "--batch-size", "0")]
    public void Encode_OfWhatMakesNoSense_IsRefused(string output, string expected, params string[] more)
    {
        var refused = Run(["encode", Folder, "-o", Path.Combine(Folder, output), .. more]);
        Assert.That((refused.ExitCode, refused.Error), Is.EqualTo((2, refused.Error)));
        Assert.That(refused.Error, Does.Contain(expected));
    }

    /// <summary>A folder of short sounds with what they would say.</summary>
    private string Sounds(int count)
    {
        var folder = Directory.CreateDirectory(Path.Combine(Folder, "sounds")).FullName;
        for (var i = 0; i < count; i++)
        {
            float[] sound = [.. Enumerable.Range(0, 8000).Select(n => (float)(0.3 * Math.Sin(n * (0.1 + (0.01 * i)))))];
            WaveFile.Write(Path.Combine(folder, $"{i}.wav"), sound, 16000);
            File.WriteAllText(Path.Combine(folder, $"{i}.txt"), $"number {i}");
        }

        return folder;
    }
}
