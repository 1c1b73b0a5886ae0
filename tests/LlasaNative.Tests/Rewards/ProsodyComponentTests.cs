using LlasaNative.Audio;
using LlasaNative.Configuration;
using LlasaNative.Rewards;
using LlasaNative.Training;

namespace LlasaNative.Tests.Rewards;

/// <summary>The components that hold a voice to a band of pitch, pauses and speed.</summary>
public sealed class ProsodyComponentTests
{
    /// <summary>Ten characters ("a big dogs", spaces counted) from 0.5 s to 1.5 s: 10 per second.</summary>
    private static SpeechSample Sample(double semitones = 4, double pauses = 0.1, double seconds = 1) => new()
    {
        Reference = "a big dogs", Transcript = "a big dogs", Nll = 0.1,
        Prosody = new Prosody(120, 20, semitones, 0.6, new SpeechActivity(2, 0.5, 0.5 + seconds, 1, pauses * seconds, pauses * seconds)),
    };

    private static double Score(string components, SpeechSample sample) => new WeightedReward(new RewardOptions { Components = components }).Score(sample).Reward;

    [TestCase(1, 0)]
    [TestCase(1.25, -0.2)]    // 8 per second, a fifth below 10
    [TestCase(0.8, -0.25)]    // 12.5 per second, a quarter above 10
    [TestCase(0.1, -1)]
    [TestCase(0, -1)]         // nothing sounds
    public void SpeakingRate_FallsInProportionOutsideTheBand(double seconds, double expected) =>
        Assert.That(Score("speaking_rate(low=10,high=10.0001)=1", Sample(seconds: seconds)), Is.EqualTo(expected).Within(1e-4));

    [TestCase(4, 0)]
    [TestCase(1.5, -0.5)]
    [TestCase(0, -1)]
    [TestCase(9, -0.5)]
    [TestCase(double.NaN, -1)]
    public void Prosody_FallsOutsideTheBandOfPitch(double semitones, double expected) =>
        Assert.That(Score("prosody(pitch_low=3,pitch_high=6)=1", Sample(semitones)), Is.EqualTo(expected).Within(1e-12));

    [Test]
    public void Prosody_WithABandOfPauses_IsTheMeanOfBoth() =>
        Assert.That(Score("prosody(pitch_low=3,pitch_high=6,pause_high=0.08)=1", Sample()), Is.EqualTo(-0.25 / 2).Within(1e-12));

    [TestCase("prosody=1", "`prosody` needs `pitch_high` above `pitch_low`: `llasa eval --bands` prints those of a policy")]
    [TestCase("speaking_rate(low=5,high=4)=1", "`speaking_rate` needs `high` above `low`")]
    [TestCase("prosody(pitch_low=1,pitch_high=2,pause_low=0.5,pause_high=0.2)=1", "`pause_high` above `pause_low`")]
    [TestCase("speaking_rate(slow=5)=1", "`speaking_rate` has no option `slow`; it has high, low")]
    [TestCase("exact(low=5)=1", "`exact` has no option `low`; it has none")]
    public void Bands_ThatAreNone_AreRefusedBeforeAnythingIsLoaded(string components, string message)
    {
        var error = Assert.Throws<UsageException>(() => OptionTree.Build<GrpoOptions>([new OptionAssignment("reward.components", components, "test")]));
        Assert.That(error!.Message, Does.Contain("`reward.components`").And.Contains(message));
    }

    [Test]
    public void Judge_AsksForProsodyWhereAComponentNeedsIt()
    {
        Assert.That(new SampleJudge(new RewardOptions { Components = "utility=1,speaking_rate(low=1,high=2)=1" }).WantsProsody);
        Assert.That(new SampleJudge(new RewardOptions()).WantsProsody, Is.False);
    }

    [Test]
    public void BandsOfAPolicy_LeaveOutATenthAtEachEnd_AndAreComponentsThemselves()
    {
        SampleRecord[] samples = [.. Enumerable.Range(0, 11).Select(i => Record(Sample(semitones: 2 + i, pauses: i / 100.0, seconds: 10 / (10.0 + i))))];

        var bands = ProsodyBands.Of(samples);

        Assert.That(bands, Is.EqualTo(new[] { "speaking_rate(low=11,high=19)", "prosody(pitch_low=3,pitch_high=11,pause_high=0.09)" }));
        Assert.That(Score(string.Join("=1,", bands) + "=1", Sample(semitones: 5, seconds: 0.8)), Is.Not.NaN);
        Assert.That(() => ProsodyBands.Of(samples[..9]), Throws.TypeOf<UsageException>().With.Message.Contains("at least 10 samples"));
    }

    private static SampleRecord Record(SpeechSample sample) => new(
        Text: sample.Reference,
        Transcript: sample.Transcript,
        Codes: [],
        Ended: true,
        Prosody: sample.Prosody,
        Judgement: new Judgement(new RewardModel().Score(sample), 0, 10, 0, 3, true, 0));
}
