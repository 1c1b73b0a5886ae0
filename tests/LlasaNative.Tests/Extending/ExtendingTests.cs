using System.Text.RegularExpressions;
using LlasaNative.Audio;
using LlasaNative.Configuration;
using LlasaNative.Engine;
using LlasaNative.Rewards;
using LlasaNative.Tests.Support;
using LlasaNative.Training;
using Mine;

namespace LlasaNative.Tests.Extending;

/// <summary>The examples of docs/extending.md: compiled here, loaded from this assembly as from a user's, and run.</summary>
public sealed partial class ExtendingTests
{
    private static readonly string Library = typeof(ExtendingTests).Assembly.Location;
    private static readonly string Folder = Path.Combine(OracleData.RepositoryRoot, "tests", "LlasaNative.Tests", "Extending");
    private static readonly string Document = File.ReadAllText(Path.Combine(OracleData.RepositoryRoot, "docs", "extending.md"));

    [GeneratedRegex(@"```csharp\n(?<code>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Code();

    [GeneratedRegex(@"\b(?<key>(loss|reward|trainer)\.\w+): (?<value>lib/Mine\.dll:\S+)")]
    private static partial Regex Setting();

    [Test]
    public void EveryExample_IsAFileThatIsCompiledHere()
    {
        string[] files = [.. Directory.GetFiles(Folder, "*.cs").Where(f => !f.EndsWith("Tests.cs", StringComparison.Ordinal)).Select(File.ReadAllText)];
        string[] examples = [.. Code().Matches(Document).Select(m => m.Groups["code"].Value)];
        Assert.That(examples, Is.EquivalentTo(files));
    }

    [Test]
    public void EverySetting_BuildsARun_WithTheClassInItsPlace()
    {
        OptionAssignment[] settings = [.. Setting().Matches(Document).Select(m => new OptionAssignment(
            m.Groups["key"].Value, m.Groups["value"].Value.Replace("lib/Mine.dll", Library, StringComparison.Ordinal), "docs/extending.md"))];
        var options = OptionTree.Build<GrpoOptions>(settings);
        Assert.Multiple(() =>
        {
            Assert.That(settings, Has.Length.EqualTo(4));
            Assert.That(options.Loss.CreateAdvantage().GetType().FullName, Is.EqualTo(typeof(BestOfGroup).FullName));
            Assert.That(options.Loss.CreateLoss().GetType().FullName, Is.EqualTo(typeof(TokenMeanReinforce).FullName));
            Assert.That(new SampleJudge(options.ToReward()).WantsProsody);
            Assert.That(options.Trainer.CreateEngine().GetType().FullName, Is.EqualTo(typeof(ShortMemory).FullName));
        });
    }

    [Test]
    public void Advantage_OfOnesOwn_GetsItsOptions_AndComputes()
    {
        var mine = new LossOptions { Advantage = $"{Library}:{typeof(BestOfGroup).FullName}(penalty=0.25)" }.CreateAdvantage();
        AdvantageBatch batch = new([0.1, 0.7, 0.9, 0.2, 0.3, 0.1], 3, [true, true, false, true, true, true], [1, 1, 1, 1, 1, 1], new NativeGroupKernel());
        Assert.That(mine.Compute(batch).Sequences, Is.EqualTo(new[] { -0.25f, 1, 0, -0.25f, 1, -0.25f }));
    }

    [Test]
    public void Loss_OfOnesOwn_GivesNumbersPerToken()
    {
        var mine = new LossOptions { Objective = $"{Library}:{typeof(TokenMeanReinforce).FullName}" }.CreateLoss();
        var terms = mine.Terms(new LossBatch([1, 2, 3], [true, false, true], [2, 9, 9, -1, -1, -1]));
        Assert.Multiple(() =>
        {
            Assert.That(mine.Shape.Term, Is.EqualTo(PolicyTerm.LogProb));
            Assert.That(terms.PolicyWeights, Is.EqualTo(new[] { 0.25f, 0, 0, 0.25f, 0.25f, 0.25f }));
        });
    }

    [Test]
    public void Component_OfOnesOwn_GetsItsOptions_AndSeesProsody()
    {
        WeightedReward reward = new(new RewardOptions { Components = $"utility=0,{Library}:{typeof(PromptStart).FullName}(tolerance=0.4)=2" });
        SpeechSample sample = new()
        {
            Reference = "a dog", Transcript = "a dog", Nll = 0, Prosody = new Prosody(100, 10, 2, 0.5, new SpeechActivity(2, 0.1, 1.9, 0, 0, 0)),
        };
        Assert.That(reward.Score(sample).Reward, Is.EqualTo(2 * 0.75).Within(1e-12));
    }

    [Test]
    public void Component_OfOnesOwn_WithAnOptionOutOfRange_IsRefused() =>
        Assert.That(
            Assert.Throws<UsageException>(() => _ = new WeightedReward(new RewardOptions { Components = $"{Library}:{typeof(PromptStart).FullName}(tolerance=11)=1" }))!.Message,
            Does.Contain("`tolerance`: 11, expected number of seconds, 0.01 to 10"));
}
