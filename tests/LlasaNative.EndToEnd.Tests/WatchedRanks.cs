using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using LlasaNative.Trainer;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>Ranks under mpirun that say which phase they are in, with the time of each word, and any of which can be killed.</summary>
internal sealed partial class WatchedRanks : IDisposable
{
    private readonly Process _launcher;
    private readonly StringBuilder _said = new();
    private readonly List<(int Rank, string Phase, TimeSpan At)> _phases = [];
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly Thread _errors;
    private readonly Thread _output;
    private bool _isEnd;

    /// <param name="ranks">How many.</param>
    /// <param name="arguments">Of <c>llasa</c>.</param>
    public WatchedRanks(int ranks, params string[] arguments)
    {
        _launcher = MpiRunner.Start(ranks, [("OMPI_MCA_orte_tag_output", "1")], [.. arguments, "--verbose"]);
        _errors = new Thread(() => Read(_launcher.StandardError)) { IsBackground = true };
        _output = new Thread(() => Read(_launcher.StandardOutput)) { IsBackground = true };
        _errors.Start();
        _output.Start();
        while ((Processes = MpiRunner.RanksOf(_launcher)).Length < ranks)
        {
            Assert.That(_launcher.HasExited, Is.False, Said);
            Thread.Sleep(20);
        }
    }

    /// <summary>Their process ids.</summary>
    public int[] Processes { get; }

    /// <summary>Everything that ranks and launcher said so far, errors and output.</summary>
    public string Said
    {
        get
        {
            lock (_said)
            {
                return _said.ToString();
            }
        }
    }

    /// <summary>Whether ranks or launcher are still there.</summary>
    public bool Lives => !_launcher.HasExited || Processes.Any(id => Directory.Exists($"/proc/{id}"));

    /// <summary>The launcher's, once it has ended.</summary>
    public int ExitCode => _launcher.ExitCode;

    /// <summary>The phase a rank was in when it said its last word; <c>start</c> before the first.</summary>
    public string LastPhase(int rank)
    {
        lock (_said)
        {
            return _phases.Where(p => p.Rank == rank).Select(p => p.Phase).LastOrDefault("start");
        }
    }

    /// <summary>Every phase that was gone through, and how long it took.</summary>
    public IEnumerable<(string Phase, TimeSpan Time)> Durations()
    {
        lock (_said)
        {
            return [.. _phases.GroupBy(p => p.Rank).SelectMany(one => one.Prepend((one.Key, "start", TimeSpan.Zero)).Zip(one, (began, next) => (began.Item2, next.At - began.Item3)))];
        }
    }

    /// <summary>Waits for a rank to enter a phase for the n-th time; false when all end before.</summary>
    public bool Await(int rank, string phase, int occurrence)
    {
        lock (_said)
        {
            while (_phases.Count(p => p.Rank == rank && p.Phase == phase) < occurrence)
            {
                if (_isEnd)
                {
                    return false;
                }

                Monitor.Wait(_said);
            }

            return true;
        }
    }

    /// <summary>SIGKILL to a rank; returns when nobody lives any more or the time is up.</summary>
    /// <returns>How long it took.</returns>
    public TimeSpan Kill(int rank, TimeSpan longest)
    {
        using var victim = Process.GetProcessById(Processes[rank]);
        var clock = Stopwatch.StartNew();
        victim.Kill();
        while (Lives && clock.Elapsed < longest)
        {
            Thread.Sleep(10);   // until their parent has noticed
        }

        var taken = clock.Elapsed;
        if (_launcher.HasExited)
        {
            _errors.Join();
            _output.Join();
        }

        return taken;
    }

    public void Dispose()
    {
        foreach (var process in Processes.Prepend(_launcher.Id).Where(_ => Lives))
        {
            MpiRunner.Signal(process, "KILL");
        }

        _launcher.WaitForExit();
        _launcher.Dispose();
    }

    [GeneratedRegex($@"^\[\d+,(\d+)\]<stderr>: ?{PhaseListener.LineStart}(.*)$")]
    private static partial Regex PhaseLine();

    private void Read(StreamReader from)
    {
        while (from.ReadLine() is { } line)
        {
            lock (_said)
            {
                _said.AppendLine(line);
                if (PhaseLine().Match(line) is { Success: true } match)
                {
                    _phases.Add((int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture), match.Groups[2].Value, _clock.Elapsed));
                    Monitor.PulseAll(_said);
                }
            }
        }

        lock (_said)
        {
            _isEnd = true;
            Monitor.PulseAll(_said);
        }
    }
}
