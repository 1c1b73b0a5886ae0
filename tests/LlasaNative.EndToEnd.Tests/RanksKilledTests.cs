using System.Globalization;
using LlasaNative.EndToEnd.Tests.Faults;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>SIGKILL to one rank of a run, in every phase and at any moment; then the run goes on.</summary>
/// <remarks>
/// <c>LLASA_KILLS</c> says how often, <c>LLASA_FAULT_REPORTS</c> names a folder for what was counted (<c>ranks-killed.json</c>):
/// <code>
/// LLASA_KILLS=50 LLASA_FAULT_REPORTS=$PWD dotnet test tests/LlasaNative.EndToEnd.Tests -c Release --no-build --filter FullyQualifiedName~RanksKilled
/// </code>
/// </remarks>
public sealed class RanksKilledTests : TinyWorldTests
{
    private const int Seed = 17;
    private const string AnyMoment = "any moment";
    private static readonly TimeSpan _bound = TimeSpan.FromSeconds(10);   // what a user is promised
    private static readonly TimeSpan _window = TimeSpan.FromSeconds(6);   // of any moment, from the start of all ranks

    // Every second one falls anywhere, so most of those into long phases; the others into phases in turn, saving more often: there a kill can do most harm.
    private static readonly string[] _aims =
    [
        AnyMoment, "save", AnyMoment, "gradient", AnyMoment, "update", AnyMoment, "rollout", AnyMoment, "gather", AnyMoment, "save", AnyMoment, "listen",
        AnyMoment, "reward", AnyMoment, "write", AnyMoment, "start", AnyMoment, "advantage", AnyMoment, "resume",
    ];

    // Samples of every step: the last one's are written in any case, and parts of the undisturbed run end where the disturbed one goes on.
    private static readonly string[] _options = ["--set", "run.keep=2", "--set", "run.samples_every=1"];

    private sealed record Death(int Ranks, int Rank, string Aim, string Phase, double SecondsToEnd);

    [OneTimeSetUp]
    public void FindMpi() => MpiRunner.Require();

    /// <remarks>The first half is of two ranks, the second goes on with three, and four end it.</remarks>
    [Test, Category("Long")]
    public void Train_ARankKilledAtAnyMoment_EndsAllWithinTenSecondsAndResumesOnAnotherNumberToTheBitsOfAnUndisturbedRun()
    {
        var kills = int.Parse(Environment.GetEnvironmentVariable("LLASA_KILLS") ?? "3", CultureInfo.InvariantCulture);
        var disturbed = Path.Combine(Folder, "disturbed");
        Random random = new(Seed);
        List<Death> deaths = [];
        List<(int Ranks, int Step)> parts = [];   // how many ranks it had up to which step
        Dictionary<string, List<TimeSpan>> durations = [];
        for (var i = 0; i < kills; i++)
        {
            var ranks = i < (kills + 1) / 2 ? 2 : 3;
            var ends = i == ((kills + 1) / 2) - 1 || i == kills - 1;
            // The last of a number of ranks falls after a step of theirs is saved.
            deaths.Add(KillOne(ranks, disturbed, _aims[i % _aims.Length], random, ends ? LastCheckpoint(disturbed) + 1 : 0, durations));
            parts.RemoveAll(part => part.Ranks == ranks);
            parts.Add((ranks, LastCheckpoint(disturbed)));
        }

        var last = LastCheckpoint(disturbed) + 2;
        parts.Add((4, last));
        Run(4, disturbed, last);

        var undisturbed = Path.Combine(Folder, "undisturbed");
        foreach (var (ranks, step) in parts.Where(part => part.Step > LastCheckpoint(undisturbed)))
        {
            Run(ranks, undisturbed, step);
        }

        // What is measured is of every step, so of every number of ranks.
        var (expected, actual) = (Checkpoint(undisturbed, last), Checkpoint(disturbed, last));
        (string What, bool IsSame)[] compared =
        [
            ("measurements of every step", Measurements(disturbed).SequenceEqual(Measurements(undisturbed)) && Measurements(disturbed).Length == last),
            ("samples", SamplesOf(disturbed).SequenceEqual(SamplesOf(undisturbed))),
            ("weights", actual.Weights.AsSpan().SequenceEqual(expected.Weights)),
            ("moments", actual.Moments.AsSpan().SequenceEqual(expected.Moments)),
        ];
        Report(deaths, parts, compared);
        Assert.That(compared.Where(c => !c.IsSame), Is.Empty);
    }

    private static byte[] SamplesOf(string run) => File.ReadAllBytes(Path.Combine(run, "samples.jsonl"));

    /// <summary>Starts a run, or goes on with it, and kills one of its ranks: some time in a phase, or some time after its start or a step's checkpoint.</summary>
    private static Death KillOne(int ranks, string folder, string aim, Random random, int step, Dictionary<string, List<TimeSpan>> durations)
    {
        var (victim, part, occurrence) = (random.Next(ranks), random.NextDouble(), random.Next(1, 4));
        using WatchedRanks run = new(ranks, Train(folder, 1_000_000, _options));
        while (LastCheckpoint(folder) < step)
        {
            Assert.That(run.Lives, run.Said);
            Thread.Sleep(20);
        }

        var isPhase = aim is not (AnyMoment or "start" or "resume");
        if (isPhase)
        {
            Assert.That(run.Await(victim, aim, occurrence), run.Said);
        }
        else if (aim == "resume" && LastCheckpoint(folder) > 0)
        {
            Assert.That(run.Await(victim, aim, 1), run.Said);
        }

        // A tenth more than the phase has mostly taken: now and then the kill comes just after it.
        Thread.Sleep(part * 1.1 * (aim == AnyMoment ? _window : durations.TryGetValue(aim, out var seen) ? seen.Order().ElementAt(seen.Count / 2) : TimeSpan.Zero));
        var taken = run.Kill(victim, _bound);
        Assert.Multiple(() =>
        {
            Assert.That(run.Lives, Is.False, $"rank {victim} of {ranks}, {aim}: somebody is left after {taken.TotalSeconds:F1} s:\n{run.Said}");
            Assert.That(run.ExitCode, Is.Not.Zero, run.Said);
            Assert.That(run.Said, Does.Contain($"process rank {victim}").And.Contain("signal 9"), "the launcher says which rank ended, and of what");
        });
        foreach (var (phase, time) in run.Durations())
        {
            durations.TryAdd(phase, []);
            durations[phase].Add(time);
        }

        return new Death(ranks, victim, aim, run.LastPhase(victim), Math.Round(taken.TotalSeconds, 3));
    }

    private static void Run(int ranks, string folder, int steps)
    {
        var outcome = MpiRunner.Run(ranks, Train(folder, steps, _options));
        Assert.That(outcome.ExitCode, Is.Zero, outcome.Error);
    }

    /// <summary>The step of a run's last checkpoint; 0 = it has none.</summary>
    private static int LastCheckpoint(string run)
    {
        var checkpoints = Path.Combine(run, "checkpoints");
        return Directory.Exists(checkpoints)
            ? Directory.GetDirectories(checkpoints, "step-??????").Select(d => int.Parse(Path.GetFileName(d)["step-".Length..], CultureInfo.InvariantCulture)).DefaultIfEmpty().Max()
            : 0;
    }

    private static void Report(List<Death> deaths, List<(int Ranks, int Step)> parts, (string What, bool IsSame)[] compared) => FaultSettings.Report("ranks-killed", new
    {
        seed = Seed,
        kills = deaths.Count,
        longest_seconds_to_end = deaths.Max(d => d.SecondsToEnd),
        seconds_to_end_allowed = _bound.TotalSeconds,
        phases = new SortedDictionary<string, int>(deaths.CountBy(d => d.Phase).ToDictionary(), StringComparer.Ordinal),
        ranks = new SortedDictionary<string, int>(deaths.CountBy(d => $"rank {d.Rank} of {d.Ranks}").ToDictionary(), StringComparer.Ordinal),
        parts = parts.Select(p => new { ranks = p.Ranks, to_step = p.Step }),
        same_bits = compared.ToDictionary(c => c.What, c => c.IsSame),
        load_average = File.ReadAllText("/proc/loadavg").Split(' ').Take(3).Select(v => double.Parse(v, CultureInfo.InvariantCulture)),
        each = deaths.Select(d => new { ranks = d.Ranks, rank = d.Rank, aim = d.Aim, phase = d.Phase, seconds_to_end = d.SecondsToEnd }),
    });
}
