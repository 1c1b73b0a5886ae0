using System.Text.Json;
using LlasaNative.Trainer;

namespace LlasaNative.EndToEnd.Tests.Faults;

/// <summary>
/// What the fault suite shares: a small run, its result when nothing goes wrong, and the comparison with a run that was
/// disturbed. <c>./build.sh faults</c> runs all of it at length; the ordinary tests run a short version.
/// </summary>
[Category("Faults")]
public abstract class FaultTests : TinyWorldTests
{
    protected const int Steps = 3;

    private static string? _undisturbed;

    /// <summary>Directory of the run that nothing disturbed.</summary>
    protected static string Undisturbed => _undisturbed!;

    /// <summary>Standard error of that run, with the time of each line.</summary>
    protected static IReadOnlyList<(string Text, TimeSpan At)> UndisturbedLines { get; private set; } = [];

    protected static string[] Run(string folder, params string[] more) => Run(folder, Steps, more);

    protected static string[] Run(string folder, int steps, params string[] more) =>
        Train(folder, steps, ["--threads", "1", "--verbose", "--set", "run.samples_every=1", "--set", "rollout.max_new_tokens=60", "--set", "reward.unfinished=keep", .. more]);

    [OneTimeSetUp]
    public void RunUndisturbed()
    {
        if (_undisturbed is not null)
        {
            return;
        }

        var folder = Directory.CreateTempSubdirectory("llasa-undisturbed-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        using TrainerProcess process = new(Run(folder));
        Assert.That(process.WaitForEnd(), Is.Zero, process.Error);
        // A step without a gradient would come out the same whatever happened to it.
        Assert.That(Measured(folder, "optimiser/grad_norm"), Has.Length.EqualTo(Steps).And.All.GreaterThan(0));
        UndisturbedLines = process.Lines;
        _undisturbed = folder;
    }

    /// <summary>The disturbed run has the same weights, moments, exported policy, samples and measurements, and no leftovers.</summary>
    protected static void AssertUndisturbed(string run, string what)
    {
        AssertSame(Checkpoint(run, Steps), Checkpoint(Undisturbed, Steps));
        Assert.Multiple(() =>
        {
            foreach (var file in new[] { "policy/model.safetensors", "samples.jsonl", "samples/step-000003-best.wav", "checkpoints/latest" })
            {
                Assert.That(File.ReadAllBytes(Path.Combine(run, file)), Is.EqualTo(File.ReadAllBytes(Path.Combine(Undisturbed, file))), $"{file} {what}");
            }

            Assert.That(Measurements(run), Is.EqualTo(Measurements(Undisturbed)), what);
            Assert.That(Leftovers(run), Is.Empty, what);
        });
    }

    /// <summary>Files and directories that only an unfinished piece of work has.</summary>
    protected static IEnumerable<string> Leftovers(string run) => Directory.EnumerateFileSystemEntries(run, "*", SearchOption.AllDirectories)
        .Where(path => path.EndsWith(".tmp", StringComparison.Ordinal) || path.EndsWith(".old", StringComparison.Ordinal))
        .Select(path => Path.GetRelativePath(run, path));

    /// <summary>One measurement of every step of a run.</summary>
    protected static double[] Measured(string run, string name) => [.. File.ReadLines(Path.Combine(run, "metrics.jsonl")).Select(line =>
    {
        using var json = JsonDocument.Parse(line);
        return json.RootElement.GetProperty(name).GetDouble();
    })];
}
