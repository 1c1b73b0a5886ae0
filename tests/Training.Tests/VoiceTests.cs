using LlasaNative.Data;
using LlasaNative.Training.Tests.Fakes;

namespace LlasaNative.Training.Tests;

/// <summary>Voice prompts: part of what is asked, and of nothing that is judged or learned.</summary>
public sealed class VoiceTests
{
    private static readonly Utterance[] Voices = [new("x", [0, 0]), new("y", [1]), new("z", [2, 1, 0])];

    [Test]
    public void Step_DrawsAVoiceForEachGroup_ByItsPlace()
    {
        using World world = new(World.Settings(prompts: 3), ["ab", "b", "c"], World.EvenOnesAreRight, voices: Voices);
        List<int[]> drawn = [];
        for (var step = 1; step <= 4; step++)
        {
            world.Recognition.Leads.Clear();
            world.Step(step);
            Assert.That(world.Recognition.Leads.Chunk(2).Select(g => g[0]), Is.EqualTo(world.Recognition.Leads.Chunk(2).Select(g => g[1])), "one voice for a group");
            drawn.AddRange(world.Recognition.Leads.Chunk(2).Select(group => group[0]));
        }

        int[][] expected = [.. Enumerable.Range(0, 12).Select(place => Voices[Philox.Below(Seeds.Voices(world.Options.Run.Seed), 0, (ulong)place, 3)].Codes.ToArray())];
        Assert.That(drawn, Is.EqualTo(expected));
        Assert.That(drawn.Select(d => d.Length).Distinct().Count(), Is.EqualTo(3), "all of them come up");
    }

    [Test]
    public void Step_WithVoices_JudgesAndLearnsTheSamplesAlone()
    {
        using World without = new(World.Settings(), ["ab", "b", "c"], World.EvenOnesAreRight);
        using World with = new(World.Settings(), ["ab", "b", "c"], World.EvenOnesAreRight, voices: Voices);
        var (a, b) = (without.Step(), with.Step());
        Assert.Multiple(() =>
        {
            Assert.That(b.Samples.Select(s => s.Codes), Is.EqualTo(a.Samples.Select(s => s.Codes)));
            Assert.That(b.Samples.Select(s => s.Transcript), Is.EqualTo(a.Samples.Select(s => s.Transcript)));
            Assert.That(b.Samples.Select(s => s.Judgement.Reward), Is.EqualTo(a.Samples.Select(s => s.Judgement.Reward)));
            Assert.That(with.Trainer.LastGradient, Is.EqualTo(without.Trainer.LastGradient));
            Assert.That(with.Recognition.Leads.Sum(l => l.Length), Is.Positive);
            Assert.That(without.Recognition.Leads.Sum(l => l.Length), Is.Zero);
        });
    }

    [Test]
    public void Step_OfATextWithItsOwnVoice_KeepsIt()
    {
        var options = World.Settings(prompts: 1);
        using TablePolicy policy = new() { Script = World.EvenOnesAreRight };
        using ScriptedRecognition recognition = new();
        using GrpoModels models = new(policy, recognition);
        using GrpoLoop loop = new(options, models, new TableTrainer(policy), new PlainAdvantages(), [models.Encode("ab", 4, 0, new Utterance("own", [2, 2, 2, 2]))], Voices);
        loop.TakeStep(1, keepSound: false, CancellationToken.None);
        Assert.That(recognition.Leads, Is.EqualTo(new[] { new[] { 2, 2, 2, 2 }, [2, 2, 2, 2] }));
    }

    [Test]
    public void Sft_WithAVoice_LearnsTheUtteranceAlone()
    {
        using TablePolicy policy = new();
        var encoded = EncodedUtterance.Of(policy, new Utterance("a", [0, 1]), new Utterance("v", [2]));
        Assert.That(encoded.Prompt, Is.EqualTo(new[] { TablePolicy.Start, 'a', TablePolicy.Voice + 2 }));
        PackedSequences packed = new();
        packed.Add(encoded.Prompt, policy.EncodeResponse(encoded.Utterance.Codes));
        Assert.That(packed.ScoredTokens, Is.EqualTo(3), "two codes and the end");
    }
}
