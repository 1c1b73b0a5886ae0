using LlasaNative.Configuration;
using LlasaNative.Judging;
using LlasaNative.Training.Tests.Fakes;

namespace LlasaNative.Training.Tests;

/// <summary>Online preferences whose pairs somebody else than the reward judges.</summary>
public sealed class JudgeTests
{
    private static readonly JudgeOptions Judge = new() { Url = "http://localhost:1/v1", Model = "script" };

    private static GrpoOptions Options(int prompts = 1, int samples = 2) => World.Settings(prompts, samples) with
    {
        Judge = Judge,
        Loss = new LossOptions { Objective = "dpo(beta=0.5)", Advantage = "dr_grpo", Reference = ReferenceKind.F32 },
    };

    [Test]
    public void Step_FollowsTheJudge_NotTheReward()
    {
        // The reward is for "ab", which sample 0 says; the judge likes aaaa, which sample 1 says: the gradient of OnlineDpoTests, turned round.
        var judge = ScriptedJudge.LikesA;
        using World world = new(Options(), ["ab"], World.EvenOnesAreRight, judge: judge);
        var p = world.Policy.Log(1).Select(Math.Exp).ToArray();
        var report = world.Step();
        double[] counts = [1 - 4, 1, 0, 1];
        Assert.Multiple(() =>
        {
            Assert.That(world.Trainer.LastGradient, Is.EqualTo(counts.Select((c, i) => 0.25 * (c - ((3 - 4) * p[i])))).Within(1e-6));
            Assert.That(judge.Asked, Is.EqualTo(new[] { ("ab", "ab", "aaaa") }));
            Assert.That(report.Samples.Select(s => s.Advantage), Is.EqualTo(new[] { -1, 1 }));
            Assert.That(report.Samples.Select(s => s.Sound), Is.All.Null, "heard by the judge, not kept");
            Assert.That(report.Samples[0].Judgement.Reward, Is.EqualTo(1), "what was measured is what is written down");
            Assert.That(Metrics(report), Is.EqualTo(new[] { 1d, 1, 0, 0, 0, 0, 1, 0.5 }));
        });
    }

    [Test]
    public void Judge_WhoLikesAPlace_MakesNoPair_AndIsCounted()
    {
        using World world = new(Options(), ["ab"], World.EvenOnesAreRight, judge: new ScriptedJudge((_, _) => JudgeAnswer.First));
        double[] before = [.. world.Policy.Logits];
        var report = world.Step();
        Assert.Multiple(() =>
        {
            Assert.That(world.Policy.Logits, Is.EqualTo(before));
            Assert.That(Metrics(report), Is.EqualTo(new[] { 1d, 0, 0, 0, 0, 0, 0, 1 }));
            Assert.That(report.Metrics["rollout/groups_flat"], Is.EqualTo(1));
        });
    }

    [Test]
    public void Judge_HearsTheBestAndTheWorstOfAGroup_AndOfEqualRewardsTheFirstTwoThatDiffer()
    {
        int[] Say(string text, int sample) => (text, sample) switch
        {
            ("ab", 2) => [0, 1, TablePolicy.End],
            ("ab", _) => [0, 0, TablePolicy.End],
            ("c", 0 or 1) => [1, TablePolicy.End],
            ("c", _) => [0, TablePolicy.End],
            _ => [2, TablePolicy.End],
        };
        var judge = ScriptedJudge.LikesA;
        using World world = new(Options(3, 4), ["ab", "c", "b"], Say, judge: judge);
        var report = world.Step();
        Assert.Multiple(() =>
        {
            Assert.That(judge.Asked, Is.EqualTo(new[] { ("ab", "ab", "aa"), ("c", "b", "a") }), "of four equal samples there is nothing to ask");
            Assert.That(report.Samples.Select(s => s.Advantage), Is.EqualTo(new[] { 1, 0, -1, 0, -1, 0, 1, 0, 0, 0, 0, 0 }));
        });
    }

    [Test]
    public void Groups_OfWhichNothingIsPreferred_AreDrawnAgain()
    {
        // Both say the same of "c": nothing to ask. Of "ab" the judge prefers one.
        var options = Options(1) with { Rollout = Options().Rollout with { DynamicRounds = 3 } };
        using World world = new(options, ["c", "ab"], (text, sample) => text == "c" ? [2, TablePolicy.End] : World.EvenOnesAreRight(text, sample), judge: ScriptedJudge.LikesA);
        var report = world.Step();
        Assert.That((report.Metrics["rollout/rounds"], report.Metrics["rollout/groups_flat"], report.Metrics["judge/pairs"]), Is.EqualTo((2d, 0d, 1d)));
    }

    [Test]
    public void Step_OfWhichTooMuchWasNotJudged_IsGivenUp_AndTheRunSaves()
    {
        using World world = new(Options(2), ["ab", "ba"], World.EvenOnesAreRight, judge: new ScriptedJudge((first, _) => first == "ba" ? JudgeAnswer.Other : JudgeAnswer.Failed));
        double[] before = [.. world.Policy.Logits];
        Memory memory = new();
        var error = Assert.Throws<RewardUnavailableException>(() => world.Run(memory))!;
        Assert.Multiple(() =>
        {
            Assert.That(error.Message, Does.StartWith("step 1: 2 of 2 pairs could not be judged, more than reward_server.max_not_scored 0.1 allows: nobody answers; saved "));
            Assert.That(world.Policy.Logits, Is.EqualTo(before));
        });
    }

    [Test]
    public void Pairs_ThatMayGoWithout_AreCountedAndLeftOut()
    {
        var options = Options(2) with { RewardServer = new RewardServerOptions { MaxNotScored = 0.5 } };
        using World world = new(options, ["ab", "ba"], World.EvenOnesAreRight, judge: new ScriptedJudge((first, second) => "ba" == first ? JudgeAnswer.Other : "ba" == second ? JudgeAnswer.Failed
            : first == "ab" ? JudgeAnswer.First : JudgeAnswer.Second));
        var report = world.Step();
        Assert.Multiple(() =>
        {
            Assert.That(Metrics(report), Is.EqualTo(new[] { 2d, 1, 0, 1, 1, 1, 1, 0.5 }));
            Assert.That(report.Samples.Select(s => s.Advantage), Is.EqualTo(new[] { 1, -1, 0, 0 }));
            Assert.That(report.Summary, Does.Contain("prefers 1 of 2  NOT JUDGED 1: nobody answers"));
        });
    }

    [Test]
    public void Verdict_SaysWhatBothAnswersSay()
    {
        static (bool First, bool Second, bool Judged, bool Agrees) Of(JudgeAnswer forward, JudgeAnswer backward)
        {
            PairVerdict verdict = new(forward, backward);
            return (verdict.PrefersFirst, verdict.PrefersSecond, verdict.IsJudged, verdict.Agrees);
        }

        Assert.Multiple(() =>
        {
            Assert.That(Of(JudgeAnswer.First, JudgeAnswer.Second), Is.EqualTo((true, false, true, true)));
            Assert.That(Of(JudgeAnswer.Second, JudgeAnswer.First), Is.EqualTo((false, true, true, true)));
            Assert.That(Of(JudgeAnswer.Second, JudgeAnswer.Second), Is.EqualTo((false, false, true, false)));
            Assert.That(Of(JudgeAnswer.Tie, JudgeAnswer.Tie), Is.EqualTo((false, false, true, true)));
            Assert.That(Of(JudgeAnswer.Tie, JudgeAnswer.First), Is.EqualTo((false, false, true, false)));
            Assert.That(Of(JudgeAnswer.First, JudgeAnswer.Other), Is.EqualTo((false, false, false, false)));
            Assert.That(Of(JudgeAnswer.Failed, JudgeAnswer.Failed), Is.EqualTo((false, false, false, false)));
        });
    }

    [Test]
    public void Options_ThatContradictIt_AreRefused()
    {
        static string Faults(params string[] set) => Assert.Throws<UsageException>(() => OptionTree.Build<GrpoOptions>(OptionAssignment.Read(null, set)))!.Message;
        const string Url = "judge.url=http://localhost:1/v1";
        Assert.Multiple(() =>
        {
            Assert.That(Faults(Url, "judge.model=m"), Does.Contain("set `algorithm` to online_dpo"));
            Assert.That(Faults("algorithm=online_dpo", Url), Does.Contain("`judge.url` needs the name of a model, `judge.model`"));
            Assert.That(Faults("algorithm=online_dpo", "judge.model=m"), Does.Contain("`judge.url` does not say where it is"));
            Assert.That(Faults("algorithm=online_dpo", "judge.url=localhost:1", "judge.model=m"), Does.Contain("is not a URL such as"));
            Assert.That(Faults("algorithm=online_dpo", "judge.url=http://me:secret@localhost/v1", "judge.model=m"), Does.Contain("must hold no user, password or query").And.Not.Contains("secret"));
        });
    }

    private static double[] Metrics(StepReport report) =>
        [.. new[] { "pairs", "preferred", "ties", "not_judged", "failed", "no_answer", "agreement", "first_share" }.Select(name => report.Metrics["judge/" + name])];
}
