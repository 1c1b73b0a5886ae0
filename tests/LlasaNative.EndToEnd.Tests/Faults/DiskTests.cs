using System.Diagnostics;
using System.Globalization;

namespace LlasaNative.EndToEnd.Tests.Faults;

/// <summary>The disk is full at different moments of a run: one line, exit code 1, no partial files; with room again the run goes on.</summary>
public sealed class DiskTests : FaultTests
{
    // The run on a file system of its own, once too small, then with room; what it left the first time is listed.
    private const string OnSmallDisk = """
        set -u
        size=$1; disk=$2; out=$3; shift 3
        mount -t tmpfs -o size=$size tmpfs "$disk" || exit 77
        "$@" >"$out/output-1" 2>"$out/error-1"; echo $? >"$out/code-1"
        (cd "$disk" && find . -name '*.tmp' -o -name '*.old') >"$out/leftovers"
        ls "$disk/run/checkpoints" >"$out/checkpoints" 2>/dev/null
        mount -o remount,size=400m "$disk" || exit 77
        "$@" >"$out/output-2" 2>"$out/error-2"; echo $? >"$out/code-2"
        cp -r "$disk/run" "$out/run"
        """;

    // A checkpoint takes 22 MB, the exported policy 4 MB; three steps are saved and all are kept.
    [TestCase("4k", 0)]
    [TestCase("5m", 0)]
    [TestCase("15m", 0)]
    [TestCase("24m", 1)]
    [TestCase("40m", 1)]
    [TestCase("48m", 2)]
    [TestCase("67m", 3)]
    public void Train_OnADiskThatIsTooSmall_SaysSoAndGoesOnWhenThereIsRoom(string size, int saved)
    {
        var (disk, script) = (Directory.CreateDirectory(Path.Combine(Folder, "disk")).FullName, Path.Combine(Folder, "script.sh"));
        File.WriteAllText(script, OnSmallDisk);
        string[] run = [.. TrainerProcess.Program, .. Run(Path.Combine(disk, "run"))];
        if (Start(["unshare", "--user", "--map-root-user", "--mount", "sh", script, size, disk, Folder, .. run]) != 0
            && Start(["unshare", "--mount", "sh", script, size, disk, Folder, .. run]) != 0)
        {
            Assert.Ignore("SKIPPED: this machine lets nobody mount a small file system");
        }

        var error = ErrorOf(1);
        Assert.Multiple(() =>
        {
            Assert.That(File.ReadAllText(Path.Combine(Folder, "code-1")), Is.EqualTo("1\n"), string.Join('\n', error));
            Assert.That(error, Has.Length.EqualTo(1));
            Assert.That(error[0], Does.StartWith($"llasa: {disk}").And.Match("No space left on device|disk was full"));
            Assert.That(File.ReadAllText(Path.Combine(Folder, "leftovers")), Is.Empty);
            Assert.That(Checkpoints(), Is.EqualTo(Enumerable.Range(1, saved).Select(s => $"step-{s:D6}")));
            Assert.That(File.ReadAllText(Path.Combine(Folder, "code-2")), Is.EqualTo("0\n"), string.Join('\n', ErrorOf(2)));
        });
        AssertUndisturbed(Path.Combine(Folder, "run"), $"on a disk of {size}");
    }

    [Test]
    public void MyResultGoesToAFullDisk_AndOneLineSaysSo()
    {
        Assert.That(Start(["sh", "-c", $"{string.Join(' ', TrainerProcess.Program)} config >/dev/full 2>'{Folder}/error'; test $? = 1"]), Is.Zero);
        Assert.That(File.ReadAllText(Path.Combine(Folder, "error")), Is.EqualTo("llasa: standard output: cannot be written: No space left on device\n"));
    }

    [Test]
    public void MyLogIsOnAFullDisk_AndTheRunGoesOn()
    {
        Assert.That(Start(["sh", "-c", $"{string.Join(' ', [.. TrainerProcess.Program, .. Run(Folder, 1)])} 2>/dev/full >'{Folder}/output'"]), Is.Zero);
        Assert.That(File.ReadAllText(Path.Combine(Folder, "output")), Does.StartWith("1 steps; policy in "));
    }

    /// <summary>A limit on the size of a file: no privilege is needed, so this runs everywhere.</summary>
    [Test]
    public void Train_WhenACheckpointCannotBeWritten_KeepsTheEarlierOnes()
    {
        LlasaRunner.RunWell(Run(Folder, 1));
        // The weights (7.3 MB) fit, the moments (14.6 MB) do not. Ignored, the limit's signal becomes an error of the write.
        // .NET maps its code twice through a memory file larger than the limit, unless told not to.
        using (TrainerProcess limited = new(Run(Folder), "--ignore-signal=XFSZ", "DOTNET_EnableWriteXorExecute=0", "prlimit", "--fsize=10000000"))
        {
            Assert.That(limited.WaitForEnd(), Is.EqualTo(1), limited.Error);
            var said = limited.Lines.Select(l => l.Text).Where(l => l.StartsWith("llasa: ", StringComparison.Ordinal)).ToArray();
            Assert.That(said, Has.Length.EqualTo(1));
            Assert.That(said[0], Does.Contain("step-000002.tmp/trainer/moments.safetensors: cannot be written: ").And.Contains("too large").IgnoreCase);
        }

        Assert.That(Leftovers(Folder), Is.Empty);
        Assert.That(Directory.GetDirectories(Path.Combine(Folder, "checkpoints")).Select(Path.GetFileName), Is.EqualTo(["step-000001"]));
        LlasaRunner.RunWell(Run(Folder));
        AssertUndisturbed(Folder, "after a file was too large");
    }

    private static int Start(string[] command)
    {
        ProcessStartInfo start = new(command[0]) { RedirectStandardError = true };
        foreach (var argument in command[1..])
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        TestContext.Out.Write(process.StandardError.ReadToEnd());
        process.WaitForExit();
        return process.ExitCode;
    }

    private string[] ErrorOf(int run) => [.. File.ReadLines(Path.Combine(Folder, string.Create(CultureInfo.InvariantCulture, $"error-{run}")))
        .Where(line => line.StartsWith("llasa: ", StringComparison.Ordinal))];

    private string[] Checkpoints() => [.. File.ReadLines(Path.Combine(Folder, "checkpoints")).Where(name => name.StartsWith("step-", StringComparison.Ordinal))];
}
