using System.Text.Json.Nodes;
using LlasaNative.Rewards;

namespace LlasaNative.EndToEnd.Tests.Faults;

/// <summary>A reward that is not a number, of a component or of the recogniser, stops the run or costs its sample, never a weight.</summary>
public sealed class RewardTests : FaultTests
{
    /// <summary>Text for which <see cref="Doubtful"/> has no answer; another copy of the class reads it, so it is no static field.</summary>
    private const string Variable = "LLASA_TEST_DOUBTFUL";

    private static string Component => $"reward.components={typeof(RewardTests).Assembly.Location}:{typeof(Doubtful).FullName}=1";

    [TearDown]
    public void NoDoubts() => Environment.SetEnvironmentVariable(Variable, null);

    [TestCase("NaN")]
    [TestCase("Infinity")]
    [TestCase("-Infinity")]
    public void NaN_OfAComponent_SavesAndStops_AndTheRunGoesOnToTheSameBits(string value)
    {
        Environment.SetEnvironmentVariable(Variable, $"{value} {TextOfStep(2)}");
        var stopped = LlasaRunner.Run(Run(Folder, "--set", Component, "--set", "run.save_every=0"));
        Assert.Multiple(() =>
        {
            Assert.That(stopped.ExitCode, Is.EqualTo(1));
            Assert.That(stopped.Error, Does.Match($"llasa: reward component `doubtful` returned {value}, for the text `.+`; saved .+step-000001 after step 1"));
        });
        Environment.SetEnvironmentVariable(Variable, null);
        LlasaRunner.RunWell(Run(Folder, "--set", Component));
        // The component says what the formula says.
        AssertSame(Checkpoint(Folder, Steps), Checkpoint(Undisturbed, Steps));
    }

    [Test]
    public void NaN_OfAComponent_CostsItsSamples_WhenMasked()
    {
        Environment.SetEnvironmentVariable(Variable, $"NaN {TextOfStep(2)}");
        LlasaRunner.RunWell(Run(Folder, "--set", Component, "--set", "reward.on_failure=mask"));
        var masked = Samples(Folder).Where(s => s["guard"]!.GetValue<string>() == "component_failed").ToArray();
        Assert.Multiple(() =>
        {
            Assert.That(masked, Is.Not.Empty);
            Assert.That(masked.Select(s => s["text"]!.GetValue<string>()), Is.All.EqualTo(TextOfStep(2)));
            Assert.That(masked.Select(s => (s["reward"]!.GetValue<double>(), s["advantage"]!.GetValue<double>())), Is.All.EqualTo((0d, 0d)));
        });
        LlasaRunner.RunWell("inspect", Path.Combine(Folder, "policy"), "--check");
    }

    private static string TextOfStep(int step) => Samples(Undisturbed).First(s => s["step"]!.GetValue<int>() == step)["text"]!.GetValue<string>();

    private static IEnumerable<JsonNode> Samples(string run) => File.ReadLines(Path.Combine(run, "samples.jsonl")).Select(line => JsonNode.Parse(line)!);

    public sealed class Doubtful : IRewardComponent
    {
        private readonly string[] _doubt = Environment.GetEnvironmentVariable(Variable)?.Split(' ', 2) ?? ["0", ""];

        public string Name => "doubtful";

        public double Score(RewardInput input) => input.Sample.Reference == _doubt[1]
            ? double.Parse(_doubt[0], System.Globalization.CultureInfo.InvariantCulture)
            : input.Formula.Reward;
    }
}
