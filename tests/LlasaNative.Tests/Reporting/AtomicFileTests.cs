using System.Diagnostics;
using System.Globalization;
using LlasaNative.Audio;
using LlasaNative.Reporting;
using LlasaNative.Tests.Support;

namespace LlasaNative.Tests.Reporting;

public class AtomicFileTests
{
    [Test]
    public void RemoveLeftovers_TakesThoseOfProcessesThatAreGone()
    {
        using TemporaryDirectory directory = new();
        string Name(int process) => string.Create(CultureInfo.InvariantCulture, $"a.wav.{process}-3.tmp");
        using var ended = Process.Start(new ProcessStartInfo("true") { UseShellExecute = false })!;
        ended.WaitForExit();
        string[] kept = ["a.tmp", "a.wav", "a.wav.x-3.tmp", Name(Environment.ProcessId), Name(1)];
        foreach (var name in kept.Append(Name(ended.Id)))
        {
            File.WriteAllText(directory.File(name), "");
        }

        AtomicFile.RemoveLeftovers(directory.Path);
        Assert.That(Directory.GetFiles(directory.Path).Select(Path.GetFileName), Is.EquivalentTo(kept));
    }

    [Test]
    public void RemoveLeftovers_OfNoDirectory_DoesNothing()
    {
        using TemporaryDirectory directory = new();
        Assert.That(() => AtomicFile.RemoveLeftovers(directory.File("none")), Throws.Nothing);
    }

    [Test]
    public void Write_ThatFails_LeavesTheOldFileAndNothingElse()
    {
        using TemporaryDirectory directory = new();
        var path = directory.File("a.txt");
        AtomicFile.WriteText(path, "old");
        Assert.That(
            () => AtomicFile.Write(path, temporary =>
            {
                File.WriteAllText(temporary, "half");
                throw new InvalidOperationException("no more");
            }),
            Throws.InvalidOperationException);
        Assert.That(File.ReadAllText(path), Is.EqualTo("old"));
        Assert.That(Directory.GetFiles(directory.Path), Has.Length.EqualTo(1));
    }

    [TestCase(true)]
    [TestCase(false)]
    public void ALinkIWriteTo_StaysALink_AndItsFileIsWritten(bool exists)
    {
        using TemporaryDirectory directory = new();
        if (exists)
        {
            File.WriteAllText(directory.File("real.txt"), "old");
        }

        File.CreateSymbolicLink(directory.File("link.txt"), "real.txt");
        AtomicFile.WriteText(directory.File("link.txt"), "new");
        Assert.That(new FileInfo(directory.File("link.txt")).LinkTarget, Is.EqualTo("real.txt"));
        Assert.That(File.ReadAllText(directory.File("real.txt")), Is.EqualTo("new"));
        Assert.That(Directory.GetFiles(directory.Path), Has.Length.EqualTo(2));
    }

    [Test]
    public async Task APipeIWriteTo_StaysAPipe_AndItsReaderGetsWhatIsWritten()
    {
        using TemporaryDirectory directory = new();
        var pipe = directory.File("pipe");
        using (var made = Process.Start("mkfifo", [pipe]))
        {
            await made.WaitForExitAsync();
        }

        var read = Task.Run(() => File.ReadAllText(pipe));   // opening it waits for a writer
        WaveFile.Write(pipe, [0.5f], 16000);
        Assert.That(await read.WaitAsync(TimeSpan.FromSeconds(60)), Does.StartWith("RIFF"));
        Assert.That(AtomicFile.Target(pipe), Is.Null);
        Assert.That(Directory.GetFiles(directory.Path), Has.Length.EqualTo(1));
        Assert.That(AtomicFile.Target("/dev/null"), Is.Null);
    }
}
