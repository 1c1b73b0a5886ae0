using LlasaNative.Rewards;

namespace LlasaNative.Tests.Rewards;

/// <summary>Weighted components, among them classes of this assembly, loaded as a user's would be.</summary>
public sealed class ComponentTests
{
    private static readonly string Library = typeof(ComponentTests).Assembly.Location;

    private static SpeechSample Sample(int codes = 10, bool ended = true) => new()
    {
        Reference = "a big dog", Transcript = "a big dog", Nll = 0.3, Codes = new int[codes].Select((_, i) => i).ToArray(), Ended = ended, Sound = new float[] { 0.5f },
    };

    private static string Mine(Type type) => $"{Library}:{type.FullName}";

    [Test]
    public void Default_IsTheFormula() =>
        Assert.That(new WeightedReward(new RewardOptions()).Score(Sample()).Reward, Is.EqualTo(new RewardModel().Score(Sample()).Reward));

    [Test]
    public void Components_AreAddedWithTheirWeights()
    {
        var judged = new WeightedReward(new RewardOptions { Components = "utility=0.5, exact=2,cer=-1" }).Score(Sample());
        Assert.Multiple(() =>
        {
            Assert.That(judged.Reward, Is.EqualTo((0.5 * new RewardModel().Score(Sample()).Reward) + 2 - 1).Within(1e-12));
            Assert.That(judged.Parts.Select(p => p.Name), Is.EqualTo(new[] { "utility", "exact", "cer" }));
        });
    }

    [TestCase(79, true, 0)]      // 80 tokens: where the buffer begins
    [TestCase(89, true, -0.5)]
    [TestCase(100, false, -1)]
    public void Overlong_FallsOverTheBuffer(int codes, bool ended, double expected)
    {
        RewardOptions options = new() { Components = "overlong(share=0.2)=1", MaxTokens = 100, Unfinished = RefusalPolicy.Keep };
        Assert.That(new WeightedReward(options).Score(Sample(codes, ended)).Reward, Is.EqualTo(expected).Within(1e-12));
    }

    [Test]
    public void OnesOwnComponent_IsLoadedAndHearsTheSound()
    {
        WeightedReward reward = new(new RewardOptions { Components = $"utility=1,{Mine(typeof(Loudest))}=2" });
        var judged = reward.Score(Sample());
        Assert.Multiple(() =>
        {
            Assert.That(reward.WantsSound);
            Assert.That(judged.Parts[1], Is.EqualTo(new RewardPart("loudest", 0.5, 2)));
        });
    }

    [TestCase(typeof(Throws), "threw InvalidOperationException: no idea")]
    [TestCase(typeof(NotANumber), "returned NaN")]
    [TestCase(typeof(Hangs), "gave no answer within 0.05 s")]
    public void OnesOwnComponent_ThatFails_StopsTheRunOrMasksTheSample(Type type, string why)
    {
        RewardOptions options = new() { Components = $"{Mine(type)}=1", TimeoutSeconds = 0.05 };
        var error = Assert.Throws<RewardUnavailableException>(() => new WeightedReward(options).Score(Sample()));
        var masked = new WeightedReward(options with { OnFailure = ComponentFailure.Mask }).Score(Sample());
        Assert.Multiple(() =>
        {
            Assert.That(error!.Message, Does.Contain(why).And.Contains(type.Name).And.Contains("a big dog"));
            Assert.That((masked.Masked, masked.Reason, masked.Reward), Is.EqualTo((true, RewardReason.ComponentFailed, 0d)));
        });
    }

    [Test]
    public void OnesOwnComponent_ThatAlwaysHangs_IsNotMaskedForEver()
    {
        WeightedReward reward = new(new RewardOptions { Components = $"{Mine(typeof(Hangs))}=1", TimeoutSeconds = 0.01, OnFailure = ComponentFailure.Mask });
        var error = Assert.Throws<RewardUnavailableException>(() => Enumerable.Range(0, 100).Select(_ => reward.Score(Sample())).ToList());
        Assert.That(error!.Message, Does.Contain("too many calls hang"));
    }

    [Test]
    public void OnesOwnComponent_ThatTakesSeveral_IsGivenThemByLengthAndAloneWhenItThrows()
    {
        RewardOptions options = new() { Components = $"{Mine(typeof(Pairs))}=1", OnFailure = ComponentFailure.Mask };
        var judged = new WeightedReward(options).Score([.. new[] { 7, 3, 5, 9, 2 }.Select(length => Sample() with { Sound = new float[length] })]);
        Assert.Multiple(() =>
        {
            // In order of length 2, 3 | 5, 7 | 9: 7 fails, so that 5 and 7 are asked for alone; 9 is left over.
            Assert.That(judged.Select(j => j.Reward), Is.EqualTo(new[] { 0, 203, 105, 109, 202 }));
            Assert.That(judged.Select(j => j.Masked), Is.EqualTo(new[] { true, false, false, false, false }));
        });
    }

    [Test]
    public void OnesOwnComponent_ThatHangsOverSeveral_IsWaitedForAsLongAsForEach()
    {
        RewardOptions options = new() { Components = $"{Mine(typeof(HangsOverTwo))}=1", TimeoutSeconds = 0.05, OnFailure = ComponentFailure.Mask };
        Assert.That(new WeightedReward(options).Score([Sample(), Sample(), Sample()]).Select(j => j.Masked), Is.EqualTo(new[] { true, true, false }));
        Assert.That(
            Assert.Throws<RewardUnavailableException>(() => new WeightedReward(options with { OnFailure = ComponentFailure.Stop }).Score([Sample(), Sample()]))!.Message,
            Does.Contain("gave no answer within 0.1 s"));
    }

    [TestCase("LlasaNative.Tests.Rewards.Nobody", "no type of that name")]
    [TestCase("LlasaNative.Tests.Rewards.ComponentTests", "does not implement")]
    [TestCase("LlasaNative.Tests.Rewards.ComponentTests+CannotBeMade", "threw ArgumentException: never")]
    [TestCase("LlasaNative.Tests.Rewards.ComponentTests+NeedsMore", "constructor")]
    public void OnesOwnComponent_ThatCannotBeMade_IsRefused(string type, string why) =>
        Assert.That(Assert.Throws<UsageException>(() => _ = new WeightedReward(new RewardOptions { Components = $"{Library}:{type}=1" }))!.Message, Does.Contain(why));

    [Test]
    public void Library_ThatIsNone_IsRefused()
    {
        var file = Path.Combine(TestContext.CurrentContext.WorkDirectory, "not-a-library.dll");
        File.WriteAllText(file, "hello");
        Assert.That(Assert.Throws<UsageException>(() => _ = new WeightedReward(new RewardOptions { Components = $"{file}:A=1" }))!.Message, Does.Contain(file));
    }

    public sealed class Loudest : IRewardComponent
    {
        public string Name => "loudest";

        public double Score(RewardInput input) => input.Sample.Sound!.Value.Span[0];
    }

    public sealed class Throws : IRewardComponent
    {
        public string Name => nameof(Throws);

        public double Score(RewardInput input) => throw new InvalidOperationException("no idea");
    }

    public sealed class NotANumber : IRewardComponent
    {
        public string Name => nameof(NotANumber);

        public double Score(RewardInput input) => double.NaN;
    }

    public sealed class Hangs : IRewardComponent
    {
        public string Name => nameof(Hangs);

        public double Score(RewardInput input)
        {
            Thread.Sleep(Timeout.Infinite);
            return 0;
        }
    }

    /// <summary>Says how many it was given, times 100, and the sound's length.</summary>
    public sealed class Pairs : IRewardComponent
    {
        public string Name => nameof(Pairs);

        public int MostAtOnce => 2;

        public double Score(RewardInput input) => Score([input])[0];

        public IReadOnlyList<double> Score(IReadOnlyList<RewardInput> inputs) =>
            [.. inputs.Select(i => i.Sample.Sound!.Value.Length).Select(n => n == 7 ? throw new InvalidOperationException("seven") : (100.0 * inputs.Count) + n)];
    }

    public sealed class HangsOverTwo : IRewardComponent
    {
        public string Name => nameof(HangsOverTwo);

        public int MostAtOnce => 2;

        public double Score(RewardInput input) => 1;

        public IReadOnlyList<double> Score(IReadOnlyList<RewardInput> inputs)
        {
            Thread.Sleep(Timeout.Infinite);
            return [];
        }
    }

    public sealed class CannotBeMade : IRewardComponent
    {
        public CannotBeMade() => throw new ArgumentException("never");

        public string Name => "";

        public double Score(RewardInput input) => 0;
    }

    public sealed class NeedsMore(int more) : IRewardComponent
    {
        public string Name => "";

        public double Score(RewardInput input) => more;
    }
}
