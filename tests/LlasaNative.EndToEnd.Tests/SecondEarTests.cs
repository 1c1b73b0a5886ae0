using System.Globalization;
using System.Text.Json;
using LlasaNative.Audio;
using LlasaNative.Interop;
using LlasaNative.Models;
using LlasaNative.Trainer;
using LlasaNative.Trainer.Serving;
using LlasaNative.Training;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>A recogniser that listens beside the one that rewards, in every command that evaluates.</summary>
public sealed class SecondEarTests : TinyWorldTests
{
    private const string Tensor = "model.encoder.layer_norm.weight";
    private const string Positions = "model.decoder.embed_positions.weight";

    /// <summary>The tiny recogniser, hard of hearing: what its encoder says reaches the decoder weakened.</summary>
    private string Ear() => TinyModelCopy.Make(TinyWorld.Recogniser, Path.Combine(Folder, "muffled"), (Tensor, Tensor, values => [.. values.Select(v => 0.7f * v)]));

    private static double Number(string output, string line) => double.Parse(
        output.Split('\n').First(l => l.StartsWith(line, StringComparison.Ordinal))[line.Length..].Trim(), CultureInfo.InvariantCulture);

    private static JsonElement Read(params string[] path) => JsonDocument.Parse(File.ReadAllText(Path.Combine(path))).RootElement;

    [Test]
    public void Eval_OfACopy_HearsTheSameTwice_AndTheRewardKnowsNothingOfIt()
    {
        var copy = TinyModelCopy.Make(TinyWorld.Recogniser, Path.Combine(Folder, "copy"));
        string[] common = ["eval", "--limit", "12", "--samples", "2", "--seed", "3"];
        var alone = LlasaRunner.RunWell(common).Output;
        var both = LlasaRunner.RunWell([.. common, "--second-ear", copy, "--out", Path.Combine(Folder, "out")]).Output;
        var other = LlasaRunner.RunWell([.. common, "--set", $"evaluation.recogniser={Ear()}", "--sounds", Path.Combine(Folder, "sounds")]).Output;
        var summary = Read(Folder, "out", "summary.json");
        var samples = File.ReadLines(Path.Combine(Folder, "out", "samples.jsonl")).Select(l => JsonDocument.Parse(l).RootElement).ToArray();
        Assert.Multiple(() =>
        {
            foreach (var line in new[] { "CER", "WER", "NLL", "reward" })
            {
                Assert.That(Number(both, line), Is.EqualTo(Number(alone, line)), line);
                Assert.That(Number(other, line), Is.EqualTo(Number(alone, line)), line);
            }

            Assert.That(both, Does.Contain("second ear copy, which rewards nothing"));
            Assert.That(alone, Does.Not.Contain("second ear"));
            Assert.That(Number(both, "  CER"), Is.EqualTo(Number(both, "CER")), "the same weights hear the same");
            Assert.That(Number(both, "  NLL"), Is.EqualTo(Number(both, "NLL")));
            Assert.That(Number(other, "  CER"), Is.GreaterThan(Number(other, "CER")), "others do not");
            Assert.That(summary.GetProperty("second_ear").GetProperty("cer").GetDouble(), Is.EqualTo(summary.GetProperty("cer").GetDouble()));
            Assert.That(samples.Select(s => s.GetProperty("second_transcript").GetString()), Is.EqualTo(samples.Select(s => s.GetProperty("transcript").GetString())));
            Assert.That(samples.Select(s => s.GetProperty("second_cer").GetDouble()), Is.EqualTo(samples.Select(s => s.GetProperty("cer").GetDouble())));
            Assert.That(File.ReadAllText(Path.Combine(Folder, "sounds", "0001-1.txt")), Does.Contain("second ear heard: "));
        });
    }

    [Test, Category("Long")]
    public void Compare_ShowsBothWithTheirIntervals()
    {
        var run = Path.Combine(Folder, "run");
        LlasaRunner.RunWell(Train(run, 1, "--set", "optimiser.learning_rate=0.01", "--set", "optimiser.warmup_steps=0"));
        string[] common = ["--limit", "6", "--samples", "2", "--seed", "3", "--second-ear", Ear()];
        var outcome = LlasaRunner.RunWell(["compare", TinyWorld.Policy, run, "--clips", "2", "--out", Path.Combine(Folder, "out"), .. common]);
        var eval = LlasaRunner.RunWell(["eval", "--policy", Path.Combine(run, "policy"), .. common]).Output;
        var report = Read(Folder, "out", "comparison.json");
        var (first, second) = (report.GetProperty("measures").GetProperty("cer"), report.GetProperty("measures").GetProperty("second_cer"));
        var html = File.ReadAllText(Path.Combine(Folder, "out", "index.html"));
        Assert.Multiple(() =>
        {
            Assert.That(outcome.Output, Does.Contain("character error rate, second ear").And.Contains("NLL of the text, second ear, nats"));
            Assert.That(report.GetProperty("second_ear").GetString(), Is.EqualTo("muffled"));
            Assert.That(first.GetProperty("after").GetProperty("value").GetDouble(), Is.EqualTo(Number(eval, "CER")).Within(1e-4));
            Assert.That(second.GetProperty("after").GetProperty("value").GetDouble(), Is.EqualTo(Number(eval, "  CER")).Within(1e-4));
            Assert.That(second.GetProperty("samples_after").GetInt32(), Is.EqualTo(12));
            var difference = second.GetProperty("difference");
            Assert.That(difference.GetProperty("value").GetDouble(), Is.InRange(difference.GetProperty("low").GetDouble(), difference.GetProperty("high").GetDouble()));
            Assert.That(html, Does.Contain("The second ear, muffled, listened to the same samples").And.Contains("CER, second ear").And.Contains("heard without an error, second ear"));
            Assert.That(html.Split("<small>second ear, CER").Length - 1, Is.EqualTo(4), "two texts by both policies");
        });

        LlasaRunner.RunWell(["compare", TinyWorld.Policy, TinyWorld.Policy, "--names", "a,b", "--out", Path.Combine(Folder, "same"), .. common]);
        Assert.That(Read(Folder, "same", "comparison.json").GetProperty("measures").GetProperty("second_cer").GetProperty("difference").GetProperty("value").GetDouble(), Is.Zero);
    }

    [Test]
    public void Demo_ShowsBothWithTheirIntervals()
    {
        var outcome = LlasaRunner.RunWell("demo", "--out", Folder, "--limit", "3", "--samples", "1", "--clips", "1", "--second-ear", Ear(),
            "--steps", "1", "--set", "rollout.prompts_per_step=2", "--set", "rollout.samples_per_prompt=2");
        var summary = Read(Folder, "summary.json").GetProperty("second_ear");
        var html = File.ReadAllText(Path.Combine(Folder, "index.html"));
        Assert.Multiple(() =>
        {
            Assert.That(outcome.Output, Does.Contain("second ear muffled: "));
            Assert.That(summary.GetProperty("difference").GetDouble(), Is.EqualTo(summary.GetProperty("cer_after").GetDouble() - summary.GetProperty("cer_before").GetDouble()).Within(1e-12));
            Assert.That(summary.GetProperty("ci95").GetArrayLength(), Is.EqualTo(2));
            Assert.That(html.Split("<section class=\"result\">").Length - 1, Is.EqualTo(2));
            Assert.That(html.Split("95 % interval").Length - 1, Is.EqualTo(2));
            Assert.That(html, Does.Contain("as the second ear hears them").And.Contains("The second ear, muffled, listened").And.Contains("<small>second ear, CER"));
        });
    }

    [Test]
    public void Train_WithAndWithout_EndsWithTheSameBits_AndReportsBoth()
    {
        string[] evaluate = ["--set", "run.evaluate_every=1", "--set", "run.evaluate_texts=4"];
        var (with, without) = (Path.Combine(Folder, "with"), Path.Combine(Folder, "without"));
        LlasaRunner.RunWell(Train(without, 2, evaluate));
        LlasaRunner.RunWell(Train(with, 1, [.. evaluate, "--second-ear", Ear()]));
        // No weight depends on it, so it may change when a run is resumed.
        var resumed = LlasaRunner.RunWell(Train(with, 2, [.. evaluate, "--second-ear", TinyModelCopy.Make(TinyWorld.Recogniser, Path.Combine(Folder, "other"))]));
        AssertSame(Checkpoint(with, 2), Checkpoint(without, 2));
        var rows = File.ReadLines(Path.Combine(with, "metrics.jsonl")).Select(l => JsonDocument.Parse(l).RootElement).ToArray();
        var plain = File.ReadLines(Path.Combine(without, "metrics.jsonl")).Select(l => JsonDocument.Parse(l).RootElement).ToArray();
        LlasaRunner.RunWell("dashboard", with, "--export", Path.Combine(Folder, "page.html"));
        Assert.Multiple(() =>
        {
            Assert.That(resumed.Error, Does.Contain("resumed after step 1"));
            foreach (var name in new[] { "reward/mean", "evaluation/cer", "evaluation/nll", "evaluation/reward" })
            {
                Assert.That(rows.Select(r => r.GetProperty(name).GetDouble()), Is.EqualTo(plain.Select(r => r.GetProperty(name).GetDouble())), name);
            }

            Assert.That(rows[0].GetProperty("evaluation/second_nll").GetDouble(), Is.GreaterThan(rows[0].GetProperty("evaluation/nll").GetDouble()));
            Assert.That(rows[1].GetProperty("evaluation/second_nll").GetDouble(), Is.EqualTo(rows[1].GetProperty("evaluation/nll").GetDouble()), "the ear of the second step is a copy");
            foreach (var name in new[] { "cer", "wer", "nll", "exact" }.Select(n => "evaluation/second_" + n))
            {
                Assert.That(rows[1].TryGetProperty(name, out _), name);
                Assert.That(plain[1].TryGetProperty(name, out _), Is.False, name);
                Assert.That(File.ReadAllText(Path.Combine(Folder, "page.html")), Does.Contain(name));
                Assert.That(Directory.GetFiles(Path.Combine(with, "tensorboard")).Select(f => File.ReadAllText(f, System.Text.Encoding.Latin1)), Has.Some.Contains(name));
            }
        });
    }

    [Test]
    public void Train_ThatNeverEvaluates_SaysThatNobodyAsksIt() =>
        Assert.That(LlasaRunner.RunWell(Train(Folder, 1, "--second-ear", TinyWorld.Recogniser)).Error, Does.Contain("nobody asks the second ear (evaluation.recogniser): run.evaluate_every is 0"));

    [Test]
    public async Task Eval_ByARewardServer_HasTheSecondEarHere()
    {
        await using var server = await RewardServer.StartAsync(TinyWorld.Fill(new ModelOptions()), new ScoringOptions(), new ServerOptions { Port = 0 });
        string[] common = ["eval", "--limit", "6", "--seed", "3", "--second-ear", Ear()];
        var here = LlasaRunner.RunWell(common).Output;
        var there = LlasaRunner.RunWell([.. common, "--set", $"reward_server.servers={server.Url}"]).Output;
        Assert.That(there.Split("audio")[0], Is.EqualTo(here.Split("audio")[0]));
    }

    [Test]
    public void Eval_Interrupted_StopsAtOnce()
    {
        using var process = LlasaRunner.StartAndAwait("step ", "eval", "--batch-size", "1", "--second-ear", TinyWorld.Recogniser);
        LlasaRunner.Signal(process, "INT");
        var rest = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.EqualTo(130), rest);
    }

    [TestCase("eval")]
    [TestCase("compare POLICY POLICY --names a,b")]
    [TestCase("demo")]
    [TestCase("train --set run.evaluate_every=1")]
    public void WhatIsNoRecogniser_IsNamed(string line)
    {
        string[] command = [.. line.Split(' ').Select(w => w == "POLICY" ? TinyWorld.Policy : w), .. line.StartsWith("eval", StringComparison.Ordinal) ? [] : new[] { "--out", Path.Combine(Folder, "out") }];
        var missing = LlasaRunner.Run([.. command, "--second-ear", "/nowhere"]);
        var policy = LlasaRunner.Run([.. command, "--second-ear", TinyWorld.Policy]);
        Assert.Multiple(() =>
        {
            Assert.That(missing.ExitCode, Is.EqualTo(1));
            Assert.That(missing.Error, Does.Contain("/nowhere"));
            Assert.That(policy.ExitCode, Is.EqualTo(1));
            Assert.That(policy.Error, Does.Contain(Path.Combine(TinyWorld.Policy, "config.json")).And.Contains("this is a Llama policy, not a Whisper recogniser"));
            Assert.That(Directory.Exists(Path.Combine(Folder, "out")), Is.False, "nothing was begun");
        });
    }

    [Test]
    public void TextTooLongForIt_IsRefusedOrLeftOut()
    {
        var texts = Path.Combine(Folder, "texts.txt");
        File.WriteAllLines(texts, ["a big dog", "the cat sleeps in the green house of my happy brother"]);
        var small = TinyModelCopy.Make(TinyWorld.Recogniser, Path.Combine(Folder, "small"), (Positions, Positions, values => values[..(values.Length * 24 / 64)]), fields: ("max_target_positions", 24));
        string[] command = ["eval", "--data", texts, "--second-ear", small];
        var refused = LlasaRunner.Run(command);
        Assert.That(refused.ExitCode, Is.EqualTo(1), refused.Error);
        Assert.That(refused.Error, Does.Contain("texts.txt").And.Contains("the second ear small: ").And.Contains("which allows 24"));
        Assert.That(LlasaRunner.RunWell([.. command, "--skip-faulty"]).Output, Does.Contain("samples    1"));
    }

    [Test]
    public void Inspect_Memory_CountsIt_AtLeastWhatItTakes()
    {
        string[] common = ["inspect", "--memory", TinyWorld.Policy, "--codec", TinyWorld.Codec, "--recogniser", TinyWorld.Recogniser];
        var (without, with) = (LlasaRunner.RunWell(common).Output, LlasaRunner.RunWell([.. common, "--second-ear", TinyWorld.Recogniser]).Output);
        var planned = 1e6 * Sum(with, "second ear");
        double taken;
        using (var ear = NativeRecogniser.Load(TinyWorld.Recogniser, new ScoringOptions()))
        {
            using WaveBatch waves = new([.. Enumerable.Range(0, 33).Select(i => (long)i * ear.WindowSamples)], RecognisedRate);
            ear.Score(waves, [.. Enumerable.Repeat("a big dog", 32)]);
            taken = NativeDevice.GetLiveCounts().AllocatedBytes - (4.0 * 32 * ear.WindowSamples);   // less the sounds' own page-locked memory
        }

        Assert.Multiple(() =>
        {
            Assert.That(planned, Is.GreaterThanOrEqualTo(taken * (1 - 1e-3)), "rows are rounded to a thousandth of a megabyte");
            Assert.That(planned, Is.LessThan(3 * taken), "transcripts are taken to be as long as the model allows");
            Assert.That(Peak(with) - Peak(without), Is.EqualTo(planned / 1e6).Within(0.02), "the peak grows by it");
        });

        static double Peak(string table) => Sum(string.Join('\n', table.Split('\n').Where(l => l.Contains("all of the device", StringComparison.Ordinal))), "  ");

        static double Sum(string table, string stage) => table.Split('\n').Where(l => l.StartsWith(stage, StringComparison.Ordinal) && l.Length > 63)
            .Sum(l => double.Parse(l[53..63], CultureInfo.InvariantCulture));
    }

    private const int RecognisedRate = Recognition.RecognisedSample.SampleRate;
}
