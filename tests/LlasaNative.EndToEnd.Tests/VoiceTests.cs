using System.Text.Json.Nodes;
using LlasaNative.Audio;
using LlasaNative.Data;
using LlasaNative.Models;
using LlasaNative.Recognition;
using LlasaNative.Trainer;
using LlasaNative.Training;
using static LlasaNative.EndToEnd.Tests.LlasaRunner;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>Voice prompts on the tiny models.</summary>
public sealed class VoiceTests : TinyWorldTests
{
    [Test]
    public void Speak_WithAVoice_WritesWhatFollowsIt_WithASmoothJoint()
    {
        var voice = MakeVoice("voice", "the quiet river");
        var output = Path.Combine(Folder, "out.wav");
        RunWell("speak", "a green stone", "--greedy", "--codes", "--voice", voice, "--voice-text", "the quiet river", "--out", output);
        int[] own = [.. File.ReadAllText(Path.ChangeExtension(output, ".codes.txt")).Split(' ', '\n').Where(word => word.Length > 0).Select(int.Parse)];

        using var codec = SpeechCodec.Load(TinyWorld.Codec, withEncoder: true);
        int[] before = codec.Encode(WaveFile.Read(voice).Samples.Span);
        using var policy = PolicyModel.Load(TinyWorld.Policy, frozen: true);
        var drawn = policy.Sample(
            new SampleRequest([policy.EncodePrompt("a green stone", 160, 0, new Utterance("the quiet river", before))], 1, new SamplingSettings { Temperature = 0, MaxNewTokens = 160, TopP = 0.9 }, [0]) { Slots = 1 }, CancellationToken.None);
        Assert.That(own, Is.EqualTo(policy.ReadCodes(drawn[0].Tokens.Span)), "what follows the voice's prompt");

        using var whole = codec.Decode([[.. before, .. own]]);
        WaveFile.Write(Path.Combine(Folder, "expected.wav"), whole[0][(before.Length * codec.SamplesPerCode)..], codec.SampleRate);
        Assert.That(File.ReadAllBytes(output), Is.EqualTo(File.ReadAllBytes(Path.Combine(Folder, "expected.wav"))));
    }

    [Test]
    public void Speak_WithoutTheVoicesText_RecognisesIt()
    {
        var heard = RunWell("speak", "a green stone", "--greedy", "--voice", MakeVoice("voice", "the quiet river"), "--out", Path.Combine(Folder, "out.wav"));
        Assert.That(heard.Output, Does.Match(@"heard in .*voice\.wav: \w+"));
        var refused = Run("speak", "a", "--voice-text", "b", "--out", Path.Combine(Folder, "out.wav"));
        Assert.That((refused.ExitCode, refused.Error), Is.EqualTo((2, "llasa: --voice-text says what is said in --voice, which is not given\n")));
        Assert.That(Run("speak", "a", "--voice", Path.Combine(Folder, "none.wav")).Error, Does.Contain("none.wav").And.Contains("no such file"));
    }

    [Test]
    public async Task Recognise_WithALead_HearsTheSoundWithoutIt()
    {
        using var recognition = Engine.NativeEngine.LoadRecognition(TinyWorld.Fill(new ModelOptions()), new ScoringOptions());
        int[][] codes = [[.. Enumerable.Range(0, 40).Select(i => (i * 37) % 1024)], [.. Enumerable.Range(0, 30)]];
        var recognised = (await recognition.RecogniseAsync(codes, ["a", "b"], RecognitionExtras.Sound, CancellationToken.None, [15, 0])).Samples;
        using var whole = recognition.Codec.Decode(codes);
        Assert.That(recognised[0].Sound, Is.EqualTo(whole[0][(15 * recognition.Codec.SamplesPerCode)..].ToArray()));
        Assert.That(recognised[0].VoiceSound, Is.EqualTo(whole[0][..(15 * recognition.Codec.SamplesPerCode)].ToArray()));
        Assert.That(recognised[1].Sound, Is.EqualTo(whole[1].ToArray()));
        Assert.That(recognised[1].VoiceSound, Is.Null);
        Assert.That(recognised[0].Seconds, Is.EqualTo(25 * 0.02).Within(1e-9));
        using CutSounds cut = new(recognition.Codec.Decode(codes), [15 * recognition.Codec.SamplesPerCode, 0]);
        Assert.That(recognised.Select(r => r.Score), Is.EqualTo(recognition.Recogniser.Score(cut, ["a", "b"], CancellationToken.None)));
    }

    [Test]
    public void Eval_AndCompare_SpeakInTheVoicesThatAreNamedOrDrawn()
    {
        var voices = Path.Combine(Folder, "voices");
        MakeVoice("voices/one", "the quiet river");
        var two = MakeVoice("voices/two", "a green stone");
        File.Delete(Path.ChangeExtension(two, ".txt"));   // is recognised
        var data = Path.Combine(Folder, "texts.jsonl");
        File.WriteAllText(data, "{\"text\": \"a big dog\"}\n{\"text\": \"the old house\", \"voice\": \"voices/two.wav\", \"voice_text\": \"a green stone\"}\n");
        RunWell("eval", "--data", data, "--out", Path.Combine(Folder, "with"), "--voices", voices, "--seed", "3");
        RunWell("eval", "--data", data, "--out", Path.Combine(Folder, "named"), "--seed", "3");
        int[] Codes(string name) => [.. File.ReadLines(Path.Combine(Folder, name, "samples.jsonl")).Select(l => (int)JsonNode.Parse(l)!["codes"]!)];
        string?[] Voices(string name) => [.. File.ReadLines(Path.Combine(Folder, name, "samples.jsonl")).Select(l => (string?)JsonNode.Parse(l)!["voice"])];
        Assert.That(Voices("named"), Is.EqualTo(new[] { null, "two.wav" }), "the voice of each sample");
        Assert.That(Voices("with")[0], Is.EqualTo("one.wav").Or.EqualTo("two.wav"));
        Assert.That(Codes("with")[1], Is.EqualTo(Codes("named")[1]), "the one with a voice of its own keeps it");

        RunWell("compare", TinyWorld.Policy, TinyWorld.Policy, "--data", data, "--voices", voices, "--out", Path.Combine(Folder, "compared"), "--names", "a,b");
        var missing = Path.Combine(Folder, "missing.jsonl");
        File.WriteAllText(missing, "{\"text\": \"a\", \"voice\": \"nowhere.wav\"}\n");
        Assert.That(Run("eval", "--data", missing).Error, Does.Contain("missing.jsonl: line 1: its voice: ").And.Contains("nowhere.wav"));
        Assert.That(Run("eval", "--data", data, "--voices", Folder).Error, Does.Contain("holds no sound files"));
    }

    [Test, Category("Long")]
    public void Train_WithVoices_InTwoSessions_EndsWithTheSameBits()
    {
        MakeVoice("voices/one", "the quiet river");
        MakeVoice("voices/two", "a green stone");
        var codes = Path.Combine(Folder, "voices.jsonl");
        RunWell("encode", Path.Combine(Folder, "voices"), "-o", codes);
        string[] set = ["--set", $"data.voices={Path.Combine(Folder, "voices")}", "--set", "run.evaluate_every=2", "--set", "run.evaluate_texts=2"];
        RunWell(Train(Path.Combine(Folder, "whole"), 2, set));
        RunWell(Train(Path.Combine(Folder, "parts"), 1, set));
        RunWell(Train(Path.Combine(Folder, "parts"), 2, set));
        AssertSame(Checkpoint(Path.Combine(Folder, "parts"), 2), Checkpoint(Path.Combine(Folder, "whole"), 2));

        // The same voices as `encode` wrote them give the same run; others, or none, give another.
        RunWell(Train(Path.Combine(Folder, "encoded"), 2, ["--set", $"data.voices={codes}", .. set[2..]]));
        AssertSame(Checkpoint(Path.Combine(Folder, "encoded"), 2), Checkpoint(Path.Combine(Folder, "whole"), 2));
        RunWell(Train(Path.Combine(Folder, "plain"), 2));
        Assert.That(Checkpoint(Path.Combine(Folder, "plain"), 2).Weights.AsSpan().SequenceEqual(Checkpoint(Path.Combine(Folder, "whole"), 2).Weights), Is.False);
        Assert.That(Run(Train(Path.Combine(Folder, "long"), 1, [.. set, "--set", "data.max_prompt_tokens=60"])).Error, Does.Contain("with its voice prompt of ").And.Contains("max_prompt_tokens 60"));
    }

    [Test]
    public void Sft_TakesTheVoicesOfItsRows()
    {
        MakeVoice("one", "the quiet river");
        var codes = string.Join(',', Enumerable.Range(0, 50));
        var (with, without) = (Path.Combine(Folder, "with.jsonl"), Path.Combine(Folder, "without.jsonl"));
        File.WriteAllText(with, $"{{\"text\": \"a\", \"codes\": [{codes}], \"voice\": \"one.wav\", \"voice_text\": \"the quiet river\"}}\n");
        File.WriteAllText(without, $"{{\"text\": \"a\", \"codes\": [{codes}]}}\n");
        double Loss(string data)
        {
            var run = data + ".run";
            RunWell("sft", "--data", data, "--steps", "1", "--out", run, "--set", "sft.batch_size=1");
            var metrics = JsonNode.Parse(File.ReadLines(Path.Combine(run, "metrics.jsonl")).First())!;
            Assert.That((int)metrics["sft/tokens"]!, Is.EqualTo(51), "the codes and the end, not the voice's");
            return (double)metrics["sft/loss"]!;
        }

        Assert.That(Loss(with), Is.Not.EqualTo(Loss(without)), "but it is a condition");
    }

    /// <summary>A sound that the tiny policy speaks, with its text beside it.</summary>
    private string MakeVoice(string name, string text)
    {
        var path = Path.Combine(Folder, name + ".wav");
        RunWell("speak", text, "--greedy", "--out", path);
        File.WriteAllText(Path.ChangeExtension(path, ".txt"), text);
        return path;
    }
}
