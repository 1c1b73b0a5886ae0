using System.Text.Json;
using LlasaNative.Configuration;
using LlasaNative.Models;
using LlasaNative.Rewards;
using LlasaNative.Tests.Support;
using LlasaNative.Training;

namespace LlasaNative.Tests.Rewards;

public class RewardTests
{
    private static readonly SpeechSample Good = new() { Reference = "A big dog.", Transcript = "a big dog", Nll = 0.5 };

    private static IEnumerable<string> Cases() => OracleData.Cases("reward", "rows.jsonl");

    [TestCaseSource(nameof(Cases))]
    public void Formula_OfEveryOracleRow_GivesItsReward(string directory)
    {
        double tolerance = OracleData.Manifest(directory).GetProperty("tolerance").GetProperty("abs").GetDouble();
        Assert.Multiple(() =>
        {
            foreach (JsonElement row in OracleData.Rows(Path.Combine(directory, "rows.jsonl")))
            {
                double Value(string key) => OracleData.Number(row.GetProperty(key));
                RewardOptions options = new()
                {
                    BetaCer = Value("beta_c"), TauNll = Value("tau_n"), LambdaCer = Value("lambda_c"), LambdaNll = Value("lambda_n"),
                };
                double reward = HarmonicUtilityReward.Compute(Value("cer"), Value("nll"), options);
                Assert.That(reward, Is.EqualTo(Value("reward")).Within(tolerance), row.GetRawText());
                Assert.That(HarmonicUtilityReward.CerUtility(Value("cer"), options.BetaCer), Is.EqualTo(Value("u_c")).Within(tolerance), row.GetRawText());
                Assert.That(HarmonicUtilityReward.NllUtility(Value("nll"), options.TauNll), Is.EqualTo(Value("u_n")).Within(tolerance), row.GetRawText());
            }
        });
    }

    [Test]
    public void Guarded_NormalisesBothTexts_SeedDoesNot()
    {
        RewardBreakdown guarded = new RewardModel().Score(Good);
        RewardBreakdown seed = new RewardModel(new RewardOptions { Mode = RewardMode.Seed }).Score(Good);
        Assert.Multiple(() =>
        {
            Assert.That(guarded.Cer, Is.Zero);
            Assert.That(guarded.Reward, Is.EqualTo(HarmonicUtilityReward.Compute(0, 0.5, new RewardOptions())));
            Assert.That(guarded.ComparedReference.Trim(), Is.EqualTo("a big dog"));
            Assert.That(seed.Cer, Is.EqualTo(0.2).Within(1e-15), "A and the full stop differ");
            Assert.That(guarded.Reason, Is.EqualTo(RewardReason.None));
        });
    }

    [Test]
    public void Auto_ChoosesTheNormaliserByLanguage()
    {
        SpeechSample numbers = Good with { Reference = "twenty one", Transcript = "21" };
        Assert.That(new RewardModel(new RewardOptions { Language = "en" }).Score(numbers).Cer, Is.Zero);
        Assert.That(new RewardModel(new RewardOptions { Language = "ko" }).Score(numbers).Cer, Is.EqualTo(1));
        Assert.That(new RewardModel(new RewardOptions { Normalization = TextNormalization.Basic }).Score(numbers).Cer, Is.EqualTo(1));
    }

    [Test]
    public void Guarded_GivesNothingForWhatIsNotSpeech()
    {
        (SpeechSample Sample, RewardReason Reason)[] cases =
        [
            (Good with { Transcript = "" }, RewardReason.EmptyTranscript),
            (Good with { Transcript = " ... !" }, RewardReason.EmptyTranscript),
            (Good with { Rms = 0 }, RewardReason.Silent),
            (Good with { Rms = double.NaN }, RewardReason.Silent),
            (Good with { NoSpeechProbability = 0.99 }, RewardReason.NonSpeech),
            (Good with { Codes = Array.Empty<int>() }, RewardReason.NoSpeechCodes),
            (Good with { Ended = false }, RewardReason.NeverEnded),
            (Good with { Nll = double.NaN }, RewardReason.NotFinite),
            (Good with { Nll = double.PositiveInfinity }, RewardReason.NotFinite),
        ];
        RewardModel model = new();
        foreach ((SpeechSample sample, RewardReason reason) in cases)
        {
            RewardBreakdown judged = model.Score(sample);
            Assert.That((judged.Reward, judged.Reason, judged.Masked), Is.EqualTo((0.0, reason, false)));
        }

        Assert.That(model.Score(Good with { Transcript = "" }).Cer, Is.EqualTo(1), "never the reference's own");
    }

    [Test]
    public void NeverEnded_IsMaskedOrKeptByOption()
    {
        SpeechSample unfinished = Good with { Ended = false };
        RewardBreakdown masked = new RewardModel(new RewardOptions { Unfinished = RefusalPolicy.Mask }).Score(unfinished);
        Assert.That((masked.Reward, masked.Masked), Is.EqualTo((0.0, true)));
        RewardBreakdown kept = new RewardModel(new RewardOptions { Unfinished = RefusalPolicy.Keep }).Score(unfinished);
        Assert.That((kept.Reward > 0.5, kept.Masked), Is.EqualTo((true, false)));
    }

    [Test]
    public void Saturation_IsWhereNothingOfTheUtilityIsLeft([Values(0.1, 0.5, 1, 2, 3, 3.7, 10, 1e6)] double beta)
    {
        Assert.That(HarmonicUtilityReward.CerUtility(HarmonicUtilityReward.Saturation / beta, beta), Is.Zero);
        Assert.That(HarmonicUtilityReward.CerUtility(0.98 * HarmonicUtilityReward.Saturation / beta, beta), Is.Positive);
    }

    [Test]
    public void ATranscriptMayEnd_WhereItsLengthAloneSaturatesItsCer()
    {
        TranscriptBound bound = new(HarmonicUtilityReward.Saturation / 3, TextNormalization.English);
        foreach (var text in new[] { "A big dog.", "Mr. Fox paid $20.", "?!", "一条安静的河" })
        {
            var most = (int)bound.Characters(text, 1);
            SpeechSample heard = Good with { Reference = text, Transcript = string.Concat(Enumerable.Repeat("la ", most)) };
            Assert.That(bound.Holds(text, heard.Transcript, 1), Is.True);
            Assert.That(new RewardModel().Score(heard with { Transcript = new string('a', most) }).Reward, Is.Zero, text);
            Assert.That(bound.Holds(text, new string('a', most - 1), 1), Is.False);
            // With a third of that CER 1 - tanh(19.07 / 3) = 6e-6 is left, and R is at most (λc + λn) / λc of it.
            var loop = new string('a', (int)bound.Characters(text, TranscriptBound.LoopShare));
            Assert.That(new RewardModel().Score(heard with { Transcript = loop }).Reward, Is.LessThan(1.1e-5), text);
        }

        Assert.That(bound.Characters("A big dog.", 1), Is.EqualTo(67), "(1 + 6.357) * 9, without the full stop");
        Assert.That(bound.Holds("A big dog.", string.Concat(Enumerable.Repeat("seventy seven ", 6)), 1), Is.False, "72 letters, compared as 77 77 77 77 77 77");
    }

    [Test]
    public void TranscriptsEndEarly_WhileTrainingWithRewardsOfOursOnly()
    {
        Assert.That(Bound(true), Is.EqualTo(new TranscriptBound(HarmonicUtilityReward.Saturation / 3, TextNormalization.English)));
        Assert.That(Bound(true, "reward.beta_cer=2", "recogniser.language=de"), Is.EqualTo(new TranscriptBound(HarmonicUtilityReward.Saturation / 2, TextNormalization.Basic)));
        Assert.That(Bound(true, "reward.mode=seed")!.Normalization, Is.EqualTo(TextNormalization.None));
        Assert.That(Bound(false), Is.Null, "eval and score");
        Assert.That(Bound(false, "recogniser.early_end=always"), Is.Not.Null);
        Assert.That(Bound(true, "recogniser.early_end=never"), Is.Null);
        Assert.That(Bound(true, $"reward.components=utility=1,{typeof(RewardTests).Assembly.Location}:My.Class=1"), Is.Null, "it may read the transcript");

        static TranscriptBound? Bound(bool training, params string[] set) =>
            OptionTree.Build<GrpoOptions>([.. set.Select(OptionAssignment.Parse)]).ToScoring(training).Bound;
    }

    [Test]
    public void BeyondTheWindow_IsJudgedUnlessTheOptionRefusesIt()
    {
        SpeechSample beyond = Good with { BeyondWindow = true };
        RewardBreakdown[] judged = [.. new[] { RefusalPolicy.Keep, RefusalPolicy.Zero, RefusalPolicy.Mask }.Select(
            policy => new RewardModel(new RewardOptions { BeyondWindow = policy }).Score(beyond))];
        Assert.That(judged[0], Is.EqualTo(new RewardModel().Score(Good)));
        Assert.That(judged.Skip(1).Select(j => (j.Reward, j.Reason, j.Masked)), Is.EqualTo(
            new[] { (0.0, RewardReason.BeyondWindow, false), (0.0, RewardReason.BeyondWindow, true) }));
        Assert.That(new RewardModel(new RewardOptions { BeyondWindow = RefusalPolicy.Zero }).Score(Good).Reward, Is.GreaterThan(0));
    }

    [Test]
    public void BeyondTheWindow_RefusedInSeedMode_IsAContradiction() => Assert.That(
        () => OptionTree.Build<GrpoOptions>([OptionAssignment.Parse("reward.mode=seed"), OptionAssignment.Parse("reward.beyond_window=mask")]),
        Throws.TypeOf<UsageException>().With.Message.Contains("`reward.beyond_window` mask needs `reward.mode` guarded"));

    [Test]
    public void Penalties_AreOffByDefaultAndProportional()
    {
        SpeechSample sample = Good with { Seconds = 2, Codes = new[] { 5, 5, 5, 5, 1 } };
        double full = new RewardModel().Score(sample).Reward;
        RewardBreakdown slow = new WeightedReward(new RewardOptions { Components = "utility(min_characters_per_second=10)=1" }).Score(sample);
        RewardBreakdown fast = new WeightedReward(new RewardOptions { Components = "utility(max_characters_per_second=2.5)=1" }).Score(sample);
        RewardBreakdown repeated = new WeightedReward(new RewardOptions { Components = "utility(max_code_run=3)=1" }).Score(sample);
        Assert.Multiple(() =>
        {
            Assert.That(full, Is.EqualTo(new RewardModel().Score(Good).Reward));
            Assert.That(slow.CharactersPerSecond, Is.EqualTo(5));
            Assert.That(slow.Reward, Is.EqualTo(full * 0.5).Within(1e-15));
            Assert.That(fast.Reward, Is.EqualTo(full * 0.5).Within(1e-15));
            Assert.That(repeated.LongestCodeRun, Is.EqualTo(4));
            Assert.That(repeated.Reward, Is.EqualTo(full * 0.75).Within(1e-15));
        });
    }

    [Test]
    public void ReferenceOfPunctuation_IsComparedAsItStands() =>
        Assert.That(new RewardModel().Score(Good with { Reference = "?!", Transcript = "?!" }).Cer, Is.Zero);

    [Test]
    public void Validate_ListsEveryFault() => Assert.That(
        () => new RewardModel(new RewardOptions { BetaCer = 0, TauNll = double.NaN, LambdaCer = -1, Components = "utility(max_code_run=-1)=1" }),
        Throws.TypeOf<UsageException>().With.Message.Contains("`beta_cer`: 0, expected number, more than 0").And.Message.Contains("tau_nll")
            .And.Message.Contains("lambda_cer").And.Message.Contains("max_code_run"));
}
