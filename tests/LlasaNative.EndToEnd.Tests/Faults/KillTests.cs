using System.Globalization;
using LlasaNative.Trainer;

namespace LlasaNative.EndToEnd.Tests.Faults;

/// <summary>SIGKILL at random moments of every phase, again and again, until the run is through; then another run.</summary>
/// <remarks>
/// The number of kills, the moments and where the counts go: <see cref="FaultSettings"/>.
/// </remarks>
public sealed class KillTests : FaultTests
{
    private const int ShortKills = 6;

    // Saving comes first and most often: there a kill can do most harm.
    private static readonly string[] _targets =
    [
        "save", "gradient", "save", "write", "rollout", "save", "update", "export", "save", "start",
        "resume", "listen", "save", "listen", "reward", "save", "advantage", "write",
    ];

    [Test]
    public void Train_KilledAtRandomMoments_EndsWithTheSameBits()
    {
        var (kills, seed) = (FaultSettings.IsLong ? FaultSettings.Kills : ShortKills, FaultSettings.Seed);
        var everyPhase = FaultSettings.IsLong && kills >= 100;
        Random random = new(seed);
        SortedDictionary<string, int> hits = new(StringComparer.Ordinal);
        var (done, runs, starts) = (0, 0, 0);
        TestContext.Out.WriteLine($"seed {seed}, {kills} kills");
        // Of a phase of a few milliseconds a kill may miss: the long version goes on with those that were never met.
        bool IsEnough() => done >= kills && (!everyPhase || done >= 2 * kills || _targets.All(hits.ContainsKey));
        while (!IsEnough())
        {
            runs++;
            var folder = Path.Combine(Folder, $"run-{runs}");
            long saved = 0;
            for (var isThrough = false; !isThrough; starts++)
            {
                var target = done < kills ? _targets[(done + (starts / 7)) % _targets.Length]
                    : IsEnough() ? "" : _targets.First(t => !hits.ContainsKey(t));
                if (target == "resume" && saved == 0)
                {
                    target = "save";   // there is nothing to resume yet
                }

                using TrainerProcess process = new(Run(folder, "--set", "run.keep=1"));
                isThrough = !Disturb(process, target, random);
                AssertNothingSavedIsLost(process, ref saved);
                if (isThrough)
                {
                    Assert.That(process.WaitForEnd(), Is.Zero, process.Error);
                    continue;
                }

                done++;
                hits[process.LastPhase] = hits.GetValueOrDefault(process.LastPhase) + 1;
            }

            AssertUndisturbed(folder, $"in run {runs}, after {done} kills with seed {seed}");
            Directory.Delete(folder, recursive: true);
        }

        Report(seed, done, runs, starts, hits);
        if (everyPhase)
        {
            Assert.That(hits.Keys, Is.SupersetOf(_targets.Distinct()), "every phase");
        }
    }

    /// <summary>Kills in the target phase; false when the process was through before.</summary>
    private static bool Disturb(TrainerProcess process, string target, Random random)
    {
        if (target.Length == 0)
        {
            process.WaitForEnd();
            return false;
        }

        if (target != "start" && !process.Await(PhaseListener.LineStart + target, random.Next(1, 3)))
        {
            process.WaitForEnd();
            return process.ExitCode == 137;
        }

        // A tenth more than the phase takes: now and then the kill comes just after it.
        return process.KillAfter(random.NextDouble() * 1.1 * Longest(target));
    }

    /// <summary>How long a phase took in the run that nothing disturbed.</summary>
    private static TimeSpan Longest(string phase)
    {
        var lines = UndisturbedLines;
        var longest = phase == "start" ? lines[0].At : TimeSpan.FromMilliseconds(phase == "resume" ? 5 : 1);
        for (var i = 0; i + 1 < lines.Count; i++)
        {
            if (lines[i].Text == PhaseListener.LineStart + phase && lines[i + 1].At - lines[i].At > longest)
            {
                longest = lines[i + 1].At - lines[i].At;
            }
        }

        return longest;
    }

    /// <summary>A process must go on at least where an earlier one had finished saving.</summary>
    private static void AssertNothingSavedIsLost(TrainerProcess process, ref long saved)
    {
        const string Resumed = "resumed after step ";
        var lines = process.Lines;
        long step = 0;
        for (var i = 0; i < lines.Length; i++)
        {
            if (lines[i].Text.StartsWith(Resumed, StringComparison.Ordinal))
            {
                step = long.Parse(lines[i].Text[Resumed.Length..].Split(' ')[0], CultureInfo.InvariantCulture);
                Assert.That(step, Is.GreaterThanOrEqualTo(saved), process.Error);
            }
            else if (TrainerProcess.IsPhase(lines[i].Text) && lines[i].Text.EndsWith(" steps", StringComparison.Ordinal))
            {
                Assert.That(step, Is.GreaterThanOrEqualTo(saved), $"a finished checkpoint of step {saved} was passed over:\n{process.Error}");
                step++;
            }
            else if (lines[i].Text == PhaseListener.LineStart + "save" && i + 1 < lines.Length)
            {
                saved = step;
            }
        }
    }

    private static void Report(int seed, int kills, int runs, int starts, SortedDictionary<string, int> hits)
    {
        foreach (var (phase, count) in hits)
        {
            TestContext.Out.WriteLine($"{phase,-10} {count,4}");
        }

        TestContext.Out.WriteLine($"{kills} kills in {runs} runs and {starts} starts");
        FaultSettings.Report("kills", new { seed, kills, runs, starts, hits });
    }
}
