namespace LlasaNative.EndToEnd.Tests;

/// <summary>Runs that a bound of <c>stop_when</c> ends.</summary>
public sealed class StopTests : TinyWorldTests
{
    [Test]
    public void Train_EndsAtABound_InTwoSessionsAtTheSameStep()
    {
        // The tiny policy's entropy is about 0.7 nats: below 9 from the first step on, which ten steps together show at the tenth.
        string[] bound = ["--set", "stop_when.entropy_below=9"];
        string whole = Path.Combine(Folder, "whole"), parts = Path.Combine(Folder, "parts");
        var outcome = LlasaRunner.RunWell(Train(whole, 12, bound));
        LlasaRunner.RunWell(Train(parts, 4, bound));
        var second = LlasaRunner.RunWell(Train(parts, 12, bound));
        Assert.Multiple(() =>
        {
            Assert.That(outcome.Output, Does.Match(@"ended after step 10: policy/entropy was 0\.\d+ over 10 steps, below 9 \(stop_when\); saved .*step-000010; policy in "));
            Assert.That(second.Output, Does.Contain("ended after step 10"), "the steps before the pause count");
            Assert.That(File.ReadLines(Path.Combine(whole, "metrics.jsonl")).All(line => line.Contains("\"bound/policy/entropy\":9", StringComparison.Ordinal)), "for the dashboard");
            Assert.That(File.Exists(Path.Combine(whole, "policy", "config.json")));
        });
        AssertSame(Checkpoint(parts, 10), Checkpoint(whole, 10));
        var freed = LlasaRunner.RunWell(Train(parts, 11));
        Assert.That(freed.Output, Does.Contain("11 steps"), "without the bound it goes on");
    }
}
