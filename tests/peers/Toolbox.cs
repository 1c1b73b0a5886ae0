using System.Diagnostics;

namespace LlasaNative.Peers;

/// <summary>Finds programs on PATH or in the system that <c>setup.sh</c> made, and runs them.</summary>
/// <param name="system">Root of that system.</param>
/// <param name="shared">Directories that programs there see under the same path.</param>
internal sealed class Toolbox(string system, string[] shared)
{
    public sealed record Outcome(string Output, string Error, int ExitCode);

    /// <summary>Where a program is; null for nowhere.</summary>
    public string? Find(string program) =>
        OnPath(program) ? "PATH" : File.Exists(Path.Combine(system, "usr", "bin", program)) ? system : null;

    /// <summary>Whether a Python with a module is there.</summary>
    public bool HasModule(string module) => Find("python3") is not null && Run("python3", ["-c", $"import {module}"]).ExitCode == 0;

    /// <summary>Runs a program to its end.</summary>
    public Outcome Run(string program, IEnumerable<string> arguments, params ReadOnlySpan<(string Name, string Value)> environment)
    {
        var inSystem = UsesSystem(program);
        ProcessStartInfo start = inSystem ? InSystem(program, arguments) : new ProcessStartInfo(program, arguments);
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        (start.RedirectStandardOutput, start.RedirectStandardError) = (true, true);
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new Outcome(output, error.Result, process.ExitCode);
    }

    // PyTorch is where its packages are: in the system, if there is one; and so is what tells their versions.
    private bool UsesSystem(string program) =>
        File.Exists(Path.Combine(system, "usr", "bin", program)) && (program is "python3" or "dpkg-query" || !OnPath(program));

    /// <summary>In a mount namespace of its own: what is mounted for the program ends with it.</summary>
    private ProcessStartInfo InSystem(string program, IEnumerable<string> arguments)
    {
        const string Script = """
            set -e
            system=$1; count=$2; shift 2
            mkdir -p "$system/proc" "$system/dev"
            mount -t proc proc "$system/proc"
            mount --rbind /dev "$system/dev"
            for ((i = 0; i < count; i++)); do mkdir -p "$system$1"; mount --bind "$1" "$system$1"; shift; done
            exec chroot "$system" "$@"
            """;
        ProcessStartInfo start = new("unshare");
        string[] all =
        [
            "--mount", "--propagation", "private", "bash", "-c", Script, "peers", system, $"{shared.Length}", .. shared, program, .. arguments,
        ];
        foreach (var argument in all)
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        start.Environment["HF_HUB_OFFLINE"] = "1";
        return start;
    }

    private static bool OnPath(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => folder.Length > 0 && File.Exists(Path.Combine(folder, program)));
}
