using System.Diagnostics;
using LlasaNative.Trainer;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>Runs <c>llasa</c> inside the test process, or as a process of its own when it is to be killed.</summary>
internal static class LlasaRunner
{
    public sealed record Outcome(int ExitCode, string Output, string Error);

    public static Outcome Run(params string[] arguments)
    {
        var (output, error) = (Console.Out, Console.Error);
        using StringWriter newOutput = new();
        using StringWriter newError = new();
        Console.SetOut(newOutput);
        Console.SetError(newError);
        try
        {
            var code = CommandLine.Run(arguments);
            return new Outcome(code, newOutput.ToString(), newError.ToString());
        }
        finally
        {
            Console.SetOut(output);
            Console.SetError(error);
        }
    }

    public static Outcome RunWell(params string[] arguments)
    {
        var outcome = Run(arguments);
        Assert.That(outcome.ExitCode, Is.Zero, outcome.Error);
        return outcome;
    }

    /// <summary>Starts a process and reads its standard error up to the line that begins with a text.</summary>
    public static Process StartAndAwait(string lineStart, params string[] arguments) => StartAndAwait(lineStart, out _, arguments);

    /// <inheritdoc cref="StartAndAwait(string, string[])"/>
    public static Process StartAndAwait(string lineStart, out string found, params string[] arguments)
    {
        // A test run started in the background of a script ignores SIGINT, and its children inherit that: env undoes it
        // before it becomes dotnet.
        ProcessStartInfo start = new("env") { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var argument in new[] { "--default-signal=INT,TERM", "dotnet", Path.Combine(AppContext.BaseDirectory, "llasa.dll") }.Concat(arguments))
        {
            start.ArgumentList.Add(argument);
        }

        var process = Process.Start(start)!;
        List<string> seen = [];
        while (process.StandardError.ReadLine() is { } line)
        {
            seen.Add(line);
            if (line.StartsWith(lineStart, StringComparison.Ordinal))
            {
                found = line;
                return process;
            }
        }

        process.Dispose();
        throw new AssertionException($"no line `{lineStart}`: {string.Join(" | ", seen)}");
    }

    /// <summary>Sends a signal by number-free name, as a shell would.</summary>
    public static void Signal(Process process, string name)
    {
        using var kill = Process.Start("kill", [$"-{name}", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }
}
