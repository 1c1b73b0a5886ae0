using System.Text.Json;
using LlasaNative.Configuration;
using LlasaNative.Data;
using LlasaNative.Engine;
using LlasaNative.Recognition;
using LlasaNative.Models;
using LlasaNative.Trainer;
using LlasaNative.Training;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>What happens to texts between their file and the first rollout.</summary>
public sealed class TextTests : TinyWorldTests
{
    [Test]
    public void Texts_AreCheckedOnce_AndSpokenByTheTokensOfThatCheck()
    {
        var options = OptionTree.Build<GrpoOptions>([OptionAssignment.Parse("rollout.prompts_per_step=2"), OptionAssignment.Parse("rollout.samples_per_prompt=2")]);
        options = options with { Models = TinyWorld.Fill(options.Models) };
        CountingRecognition recognition = new(NativeEngine.LoadRecognition(options.Models, options.ToScoring()));
        using var models = NativeEngine.Load(options.Models, options.Prompt, () => recognition);
        string[] sentences = [.. PromptFile.Read(TinyWorld.Sentences("train")).Take(3)];
        var texts = models.Encode(sentences, options.Rollout.MaxNewTokens);
        Assert.That(texts.Select(t => t.Prompt), Is.EqualTo(sentences.Select(s => ((PolicyModel)models.Policy).Prompt.Encode(s))));
        using (var loop = NativeEngine.CreateLoop(options, models, texts))
        {
            loop.TakeStep(1, keepSound: false, CancellationToken.None);
            loop.TakeStep(2, keepSound: false, CancellationToken.None);
        }

        Assert.Multiple(() =>
        {
            Assert.That(recognition.Announced, Is.EqualTo(sentences));
            Assert.That(recognition.Checked, Is.EqualTo(sentences));
            Assert.That(recognition.Heard.Distinct(), Is.SubsetOf(sentences));
        });
    }

    [Test]
    public void Limit_TakesTheFirstTexts()
    {
        var data = Path.Combine(Folder, "texts.txt");
        string[] sentences = [.. PromptFile.Read(TinyWorld.Sentences("train")).Take(4)];
        File.WriteAllLines(data, sentences);
        LlasaRunner.RunWell([.. Train(Folder, 2), "--data", data, "--set", "data.limit=2", "--set", "run.samples_every=1"]);
        var spoken = File.ReadLines(Path.Combine(Folder, "samples.jsonl")).Select(line => JsonDocument.Parse(line).RootElement.GetProperty("text").GetString());
        Assert.That(spoken.Distinct(), Is.EquivalentTo(sentences[..2]));
    }

    /// <summary>Listens by another, and keeps account of what it was asked.</summary>
    private sealed class CountingRecognition(IRecognition inner) : IRecognition
    {
        public List<string> Announced { get; } = [];

        public List<string> Checked { get; } = [];

        public List<string> Heard { get; } = [];

        public int CodeCount => inner.CodeCount;

        public int BatchSize => inner.BatchSize;

        public string Name => inner.Name;

        public bool WorksBesidePolicy => inner.WorksBesidePolicy;

        public void Announce(IReadOnlyCollection<string> texts)
        {
            Announced.AddRange(texts);
            inner.Announce(texts);
        }

        public void CheckText(string text)
        {
            Checked.Add(text);
            inner.CheckText(text);
        }

        public Task<RecognisedChunk> RecogniseAsync(IReadOnlyList<int[]> codes, IReadOnlyList<string> texts, RecognitionExtras extras, CancellationToken cancellation, IReadOnlyList<int>? leads = null)
        {
            lock (Heard)
            {
                Heard.AddRange(texts);
            }

            return inner.RecogniseAsync(codes, texts, extras, cancellation, leads);
        }

        public void Dispose() => inner.Dispose();
    }
}
