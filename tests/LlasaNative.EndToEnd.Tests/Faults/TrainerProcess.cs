using System.Diagnostics;
using LlasaNative.Trainer;

namespace LlasaNative.EndToEnd.Tests.Faults;

/// <summary>A <c>llasa</c> of its own that can be killed, and what it said on standard error, with the time of each line.</summary>
internal sealed class TrainerProcess : IDisposable
{
    private readonly Process _process;
    private readonly List<(string Text, TimeSpan At)> _lines = [];
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly Thread _reader;
    private bool _isEnd;

    public TrainerProcess(IEnumerable<string> arguments, params string[] before)
    {
        // Signals that a background shell ignores would be ignored by its children too.
        ProcessStartInfo start = new("env") { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var argument in new[] { "--default-signal=INT,TERM" }.Concat(before).Concat(Program).Concat(arguments))
        {
            start.ArgumentList.Add(argument);
        }

        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, _) => { };
        _process.BeginOutputReadLine();
        _reader = new Thread(Read) { IsBackground = true };
        _reader.Start();
    }

    /// <summary>How this build of the program is started.</summary>
    public static string[] Program => ["dotnet", Path.Combine(AppContext.BaseDirectory, "llasa.dll")];

    public int ExitCode => _process.ExitCode;

    /// <summary>Everything said so far.</summary>
    public (string Text, TimeSpan At)[] Lines
    {
        get
        {
            lock (_lines)
            {
                return [.. _lines];
            }
        }
    }

    public string Error => string.Join('\n', Lines.Select(l => l.Text));

    /// <summary>The phase the process was in when it said its last word; <c>start</c> before the first.</summary>
    public string LastPhase =>
        Lines.Select(l => l.Text).LastOrDefault(IsPhase)?[PhaseListener.LineStart.Length..] ?? "start";

    public static bool IsPhase(string line) => line.StartsWith(PhaseListener.LineStart, StringComparison.Ordinal);

    /// <summary>Waits for the n-th line that begins with a text; false when the process ends before.</summary>
    public bool Await(string lineStart, int occurrence = 1)
    {
        lock (_lines)
        {
            while (_lines.Count(l => l.Text.StartsWith(lineStart, StringComparison.Ordinal)) < occurrence)
            {
                if (_isEnd)
                {
                    return false;
                }

                Monitor.Wait(_lines);
            }

            return true;
        }
    }

    /// <summary>SIGKILL after a delay counted in parts of a millisecond; false when the process had ended by itself.</summary>
    public bool KillAfter(TimeSpan delay)
    {
        var start = Stopwatch.GetTimestamp();
        var coarse = delay - TimeSpan.FromMilliseconds(2);
        if (coarse > TimeSpan.Zero)
        {
            Thread.Sleep(coarse);
        }

        SpinWait.SpinUntil(() => Stopwatch.GetElapsedTime(start) >= delay);
        _process.Kill();
        WaitForEnd();
        return ExitCode == 137;
    }

    public void Signal(string name) => LlasaRunner.Signal(_process, name);

    public int WaitForEnd()
    {
        _process.WaitForExit();
        _reader.Join();
        return ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        WaitForEnd();
        _process.Dispose();
    }

    private void Read()
    {
        while (_process.StandardError.ReadLine() is { } line)
        {
            lock (_lines)
            {
                _lines.Add((line, _clock.Elapsed));
                Monitor.PulseAll(_lines);
            }
        }

        lock (_lines)
        {
            _isEnd = true;
            Monitor.PulseAll(_lines);
        }
    }
}
