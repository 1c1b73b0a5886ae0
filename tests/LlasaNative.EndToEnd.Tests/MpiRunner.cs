using System.Diagnostics;
using System.Globalization;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>Runs <c>llasa</c> as several ranks of this machine.</summary>
internal static class MpiRunner
{
    private static readonly Lazy<string?> Launcher = new(() => new[] { "mpirun.openmpi", "mpirun" }.FirstOrDefault(IsOpenMpi));

    /// <summary>Skips the test, loudly, where there is no mpirun.</summary>
    public static void Require()
    {
        if (Launcher.Value is null)
        {
            Assert.Ignore("no mpirun of Open MPI: runs of several ranks are not tested");
        }
    }

    /// <summary>Starts the ranks; their output is redirected.</summary>
    /// <param name="ranks">How many.</param>
    /// <param name="variables">Of their environment.</param>
    /// <param name="arguments">Of <c>llasa</c>.</param>
    public static Process Start(int ranks, (string Name, string Value)[] variables, params string[] arguments)
    {
        ProcessStartInfo start = new("env") { RedirectStandardError = true, RedirectStandardOutput = true };
        string[] launcher =
        [
            "--default-signal=INT,TERM", Launcher.Value!, "--allow-run-as-root", "--oversubscribe", "--bind-to", "none",
            "-np", ranks.ToString(CultureInfo.InvariantCulture), "dotnet", Path.Combine(AppContext.BaseDirectory, "llasa.dll"),
        ];
        foreach (var argument in launcher.Concat(arguments))
        {
            start.ArgumentList.Add(argument);
        }

        foreach (var (name, value) in variables)
        {
            start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }

    /// <summary>Runs the ranks to their end.</summary>
    public static LlasaRunner.Outcome Run(int ranks, params string[] arguments)
    {
        using var process = Start(ranks, [], arguments);
        return Finish(process);
    }

    /// <summary>Waits for the end and what was said by then.</summary>
    public static LlasaRunner.Outcome Finish(Process process)
    {
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return new LlasaRunner.Outcome(process.ExitCode, output.Result, error);
    }

    /// <summary>Process ids of the ranks, in their order; fewer while they are being started.</summary>
    public static int[] RanksOf(Process launcher)
    {
        using var find = Process.Start(new ProcessStartInfo("pgrep", ["-P", launcher.Id.ToString(CultureInfo.InvariantCulture), "dotnet"]) { RedirectStandardOutput = true })!;
        var found = find.StandardOutput.ReadToEnd();
        find.WaitForExit();
        return [.. found.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => int.Parse(line, CultureInfo.InvariantCulture)).Order()];
    }

    /// <summary>Sends a signal to one rank.</summary>
    public static void Signal(int process, string name)
    {
        using var kill = Process.Start("kill", [$"-{name}", process.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    private static bool IsOpenMpi(string launcher)
    {
        try
        {
            using var ask = Process.Start(new ProcessStartInfo(launcher, ["--version"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var answer = ask.StandardOutput.ReadToEnd();
            ask.WaitForExit();
            return answer.Contains("Open MPI", StringComparison.Ordinal);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
