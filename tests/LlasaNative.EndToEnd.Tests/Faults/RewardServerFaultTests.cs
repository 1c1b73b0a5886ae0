using System.Globalization;
using System.Text.Json.Nodes;
using LlasaNative.Models;
using LlasaNative.Trainer;
using LlasaNative.Trainer.Serving;
using LlasaNative.Training;

namespace LlasaNative.EndToEnd.Tests.Faults;

/// <summary>The reward server is lost, late, or says what cannot be: nothing of that may reach a weight.</summary>
/// <remarks>The long version tries every fault of <see cref="RewardServerFaults"/> and many storms, the short one some of each kind.</remarks>
public sealed class RewardServerFaultTests : FaultTests
{
    // A step asks once: its 4 samples are one chunk. The first step is answered truly.
    private const int FirstFault = 2;
    private const int Retries = 1;

    private static readonly string[] _shortPassing = ["connection reset", "cut in the body", "silent", "429"];
    private static readonly string[] _shortStaying = ["503", "no HTTP", "NLL infinite", "a result null", "another model's"];
    private static readonly SortedDictionary<string, int> _counts = new(StringComparer.Ordinal);

    public static IEnumerable<string> Passing => FaultSettings.IsLong ? RewardServerFaults.Passing.Keys : _shortPassing;

    public static IEnumerable<string> Staying => FaultSettings.IsLong ? RewardServerFaults.Passing.Keys.Concat(RewardServerFaults.Staying.Keys) : _shortStaying;

    [OneTimeTearDown]
    public void ReportCounts() => FaultSettings.Report("reward-server", _counts);

    [TestCaseSource(nameof(Passing))]
    public async Task Fault_ThatPasses_ChangesNothing(string fault)
    {
        await using var server = await StartAsync();
        using FaultyProxy proxy = new(server.Url, asked => asked == FirstFault ? RewardServerFaults.Named(fault) : null);
        LlasaRunner.RunWell([.. Run(Folder), .. Ask(fault, proxy)]);
        Assert.That((proxy.Asked, proxy.Disturbed), Is.EqualTo((Steps + 1, 1)));
        AssertUndisturbed(Folder, fault);
        Count("faults that pass", 1);
    }

    [TestCaseSource(nameof(Staying))]
    public async Task Fault_ThatStays_SavesAndStops_AndTheRunGoesOnToTheSameBits(string fault)
    {
        await using (var server = await StartAsync())
        {
            using FaultyProxy proxy = new(server.Url, asked => asked >= FirstFault ? RewardServerFaults.Named(fault) : null);
            // Nothing is saved but when the run stops.
            var outcome = LlasaRunner.Run([.. Run(Folder, "--set", "run.save_every=0"), .. Ask(fault, proxy)]);
            var error = outcome.Error.Split('\n').Where(l => l.StartsWith("llasa: ", StringComparison.Ordinal)).ToArray();
            Assert.Multiple(() =>
            {
                Assert.That(outcome.ExitCode, Is.EqualTo(1));
                Assert.That(error, Has.Length.EqualTo(1), outcome.Error);
                Assert.That(error[0], Does.StartWith("llasa: step 2: 4 of 4 samples could not be scored, more than reward_server.max_not_scored 0.1 allows: "));
                Assert.That(error[0], Does.EndWith($"saved {Path.Combine(Folder, "checkpoints", "step-000001")} after step 1, from which --resume auto goes on"));
                Assert.That(proxy.Disturbed, Is.EqualTo(RewardServerFaults.Passing.ContainsKey(fault) ? Retries + 1 : 1), "only what may pass is tried again");
            });
            TestContext.Out.WriteLine(error[0]);
        }

        LlasaRunner.RunWell(Run(Folder));
        AssertSame(Checkpoint(Folder, Steps), Checkpoint(Undisturbed, Steps));
        AssertUndisturbed(Folder, fault);
        Count("faults that stay", 1);
    }

    /// <summary>Most answers are faults that pass, any of them after any: the run only takes longer.</summary>
    [Test]
    public async Task Storm_OfPassingFaults_ChangesNothing()
    {
        var storms = FaultSettings.IsLong ? 25 : 1;
        FaultyProxy.Fault[] quick = [.. RewardServerFaults.Passing.Where(f => !RewardServerFaults.Slow.Contains(f.Key)).Select(f => f.Value)];
        await using var server = await StartAsync();
        for (var storm = 0; storm < storms; storm++)
        {
            var seed = FaultSettings.Seed + storm;
            Random random = new(seed);
            var folder = Path.Combine(Folder, $"storm-{storm}");
            // Every other one fails: that 60 attempts in a row do has a probability of 1e-18.
            using FaultyProxy proxy = new(server.Url, _ =>
            {
                lock (random)
                {
                    return random.Next(2) > 0 ? quick[random.Next(quick.Length)] : null;
                }
            });
            LlasaRunner.RunWell([.. Run(folder, "--set", "reward_server.retries=60"), "--reward-server", proxy.Address]);
            Assert.That(proxy.Asked - proxy.Disturbed, Is.EqualTo(Steps));
            AssertUndisturbed(folder, $"storm with seed {seed}");
            Count("faults in storms", proxy.Disturbed);
            Count("storms", 1);
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>One of two servers dies in the middle of a question, and stays dead: the other does its work.</summary>
    [Test]
    public async Task ServerOfSeveral_ThatDies_ChangesNothing()
    {
        await using var first = await StartAsync();
        await using var second = await StartAsync();
        using FaultyProxy other = new(second.Url, _ => null);
        FaultyProxy? mortal = null;
        mortal = new FaultyProxy(first.Url, _ => _ =>
        {
            mortal!.Die();
            return Task.CompletedTask;
        });
        using (mortal)
        {
            LlasaRunner.RunWell([.. Run(Folder), .. Ask("", mortal, other)]);
            Assert.That((mortal.Asked, other.Asked), Is.EqualTo((1, Steps)));
        }

        AssertUndisturbed(Folder, "with one of two servers dead");
        Count("servers of several that died", 1);
    }

    /// <summary>Below the threshold the samples of a lost chunk take no part, and are counted; nothing is made up for them.</summary>
    [Test]
    public async Task Fault_BelowTheThreshold_MasksAndCountsTheSamples()
    {
        await using (var server = await StartAsync())
        {
            // Two chunks a step: the third question is one of the second step's.
            using FaultyProxy proxy = new(server.Url, asked => asked == 3 ? RewardServerFaults.Named("NLL negative") : null);
            var outcome = LlasaRunner.RunWell(
                [.. Run(Folder, "--set", "recogniser.batch_size=2", "--set", "reward_server.max_not_scored=0.5"), .. Ask("", proxy)]);
            Assert.That(proxy.Asked, Is.EqualTo(2 * Steps));
            Assert.That(outcome.Output + outcome.Error, Does.Contain("NOT SCORED 2: ").And.Contain("`nll` is -0.5"));
        }

        JsonNode[] samples = [.. File.ReadLines(Path.Combine(Folder, "samples.jsonl")).Select(line => JsonNode.Parse(line)!)];
        var lost = samples.Where(s => s["guard"]!.GetValue<string>() == "not_scored").ToArray();
        Assert.Multiple(() =>
        {
            Assert.That(lost.Select(s => s["step"]!.GetValue<int>()), Is.EqualTo([2, 2]));
            Assert.That(lost.Select(s => s["advantage"]!.GetValue<double>()), Is.All.Zero);
            Assert.That(lost.Select(s => s["nll"]), Is.All.Null, "no number was made up");
            Assert.That(Measured(Folder, "reward/not_scored"), Is.EqualTo([0d, 2, 0]));
        });
        LlasaRunner.RunWell("inspect", Path.Combine(Folder, "policy"), "--check");
        Count("faults below the threshold", 1);
    }

    private static void Count(string what, int number) => _counts[what] = _counts.GetValueOrDefault(what) + number;

    private static Task<RewardServer> StartAsync() => RewardServer.StartAsync(TinyWorld.Fill(new ModelOptions()), new ScoringOptions(), new ServerOptions { Port = 0 });

    /// <summary>Little patience where patience is what is tested; else as much as a busy machine may need for a true answer.</summary>
    private static string[] Ask(string fault, params FaultyProxy[] proxies) =>
    [
        "--reward-server", string.Join(',', proxies.Select(p => p.Address)),
        "--set", string.Create(CultureInfo.InvariantCulture, $"reward_server.retries={Retries}"),
        "--set", RewardServerFaults.Slow.Contains(fault) ? "reward_server.timeout_seconds=5" : "reward_server.timeout_seconds=120",
    ];
}
