using LlasaNative.Tests.Support;
using LlasaNative.Weights;

namespace LlasaNative.Tests.Weights;

public class CheckpointStoreTests
{
    private TemporaryDirectory _directory = null!;

    [SetUp]
    public void SetUp() => _directory = new TemporaryDirectory();

    [TearDown]
    public void TearDown() => _directory.Dispose();

    [Test]
    public void Save_KeepsTheNewestAndPointsToThem()
    {
        CheckpointStore store = new(_directory.File("run"), keep: 2);
        foreach (long step in new long[] { 1, 2, 10 })
        {
            CheckpointInfo saved = store.Save(step, path => File.WriteAllText(Path.Combine(path, "w"), $"{step}"));
            Assert.That(saved, Is.EqualTo(store.FindLatest()));
        }

        Assert.Multiple(() =>
        {
            Assert.That(store.List().Select(c => c.Step), Is.EqualTo([2, 10]));
            Assert.That(File.ReadAllText(_directory.File("run/latest")), Is.EqualTo("step-000010\n"));
            Assert.That(File.ReadAllText(_directory.File("run/step-000010/w")), Is.EqualTo("10"));
            Assert.That(Directory.GetFileSystemEntries(_directory.File("run")), Has.Length.EqualTo(3));
        });
    }

    [Test]
    public void Save_OfTheSameStepAgain_ReplacesIt()
    {
        CheckpointStore store = new(_directory.Path);
        store.Save(5, path => File.WriteAllText(Path.Combine(path, "old"), "1"));
        CheckpointInfo saved = store.Save(5, path => File.WriteAllText(Path.Combine(path, "new"), "2"));
        Assert.That(Directory.GetFiles(saved.Path).Select(Path.GetFileName), Is.EquivalentTo(["new", CheckpointStore.ManifestName]));
    }

    [Test]
    public void Save_ThatFails_LeavesTheEarlierCheckpointsAndNothingElse()
    {
        CheckpointStore store = new(_directory.Path);
        store.Save(1, path => File.WriteAllText(Path.Combine(path, "w"), "1"));
        string[] before = Directory.GetFileSystemEntries(_directory.Path, "*", SearchOption.AllDirectories);
        Assert.That(
            () => store.Save(2, path =>
            {
                File.WriteAllText(Path.Combine(path, "w"), "2");
                throw new IOException("No space left on device");
            }),
            Throws.TypeOf<ModelFileException>().With.Message.Contains("No space left").And.Message.Contains("step-000002"));
        Assert.That(() => store.Save(3, _ => throw new OperationCanceledException()), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(Directory.GetFileSystemEntries(_directory.Path, "*", SearchOption.AllDirectories), Is.EquivalentTo(before));
    }

    [Test]
    public void FindLatest_SkipsWhatIsNotCompleteAndSaysWhy()
    {
        CheckpointStore store = new(_directory.Path, keep: 0);
        foreach (long step in new long[] { 1, 2, 3, 4 })
        {
            store.Save(step, path => File.WriteAllText(Path.Combine(path, "w"), "weights"));
        }

        File.Delete(_directory.File("step-000004/checkpoint.json"));
        File.Delete(_directory.File("step-000003/w"));
        File.WriteAllText(_directory.File("step-000002/w"), "wei");
        Directory.CreateDirectory(_directory.File("step-000009.tmp"));
        Directory.CreateDirectory(_directory.File("step-x"));
        List<string> reasons = [];
        CheckpointInfo? latest = store.FindLatest((path, reason) => reasons.Add($"{Path.GetFileName(path)} {reason}"));
        Assert.Multiple(() =>
        {
            Assert.That(latest?.Step, Is.EqualTo(1));
            Assert.That(reasons, Is.EqualTo(
            [
                "step-000009.tmp was not finished",
                "step-000004 has no checkpoint.json",
                "step-000003 w is missing",
                "step-000002 w has 3 bytes, expected 7",
            ]));
        });
    }

    [Test]
    public void FindLatest_PassesOverContentThatChangedOnTheDisk()
    {
        CheckpointStore store = new(_directory.Path);
        store.Save(1, path => File.WriteAllText(Path.Combine(path, "w"), "weights"));
        CheckpointInfo second = store.Save(2, path => File.WriteAllText(Path.Combine(path, "w"), "weights"));
        File.WriteAllText(Path.Combine(second.Path, "w"), "weighty");
        List<string> reasons = [];
        Assert.That(store.FindLatest((_, reason) => reasons.Add(reason))?.Step, Is.EqualTo(1));
        Assert.That(reasons.Single(), Does.StartWith("w is damaged"));
        Assert.That(() => CheckpointStore.RequireComplete(second.Path), Throws.TypeOf<ModelFileException>().With.Message.Contains("w is damaged"));
        Assert.That(() => CheckpointStore.RequireComplete(_directory.File("none")), Throws.TypeOf<ModelFileException>());
        CheckpointStore.RequireComplete(_directory.File("step-000001"));
    }

    [Test]
    public void FindLatest_WhenEveryCheckpointIsDamaged_IsAnError()
    {
        CheckpointStore store = new(_directory.Path);
        CheckpointInfo only = store.Save(1, path => File.WriteAllText(Path.Combine(path, "w"), "weights"));
        File.WriteAllText(Path.Combine(only.Path, "w"), "weighty");
        Assert.That(() => store.FindLatest(), Throws.TypeOf<ModelFileException>().With.Message.Contains("no checkpoint is sound").And.Message.Contains("w is damaged"));
        Directory.Move(only.Path, only.Path + ".tmp");
        Assert.That(store.FindLatest(), Is.Null, "one that was never finished is nothing to rescue");
    }

    [Test]
    public void FindLatest_OfACheckpointWithoutChecksums_TakesIt()
    {
        CheckpointStore store = new(_directory.Path);
        CheckpointInfo saved = store.Save(1, path => File.WriteAllText(Path.Combine(path, "w"), "weights"));
        File.WriteAllText(Path.Combine(saved.Path, CheckpointStore.ManifestName), "{\"Step\": 1, \"Files\": {\"w\": 7}}");
        Assert.That(store.FindLatest(), Is.EqualTo(saved));
    }

    [Test]
    public void Save_KeepsAndNamesTheBest_UntilAnotherOneIs()
    {
        CheckpointStore store = new(_directory.Path, keep: 1);
        string best = _directory.File("best");
        foreach (var (step, bestStep) in new (long, long?)[] { (1, null), (2, 2), (3, 2), (4, 2) })
        {
            store.Save(step, path => File.WriteAllText(Path.Combine(path, "w"), "w"), bestStep);
        }

        Assert.That(store.List().Select(c => c.Step), Is.EqualTo(new long[] { 2, 4 }));
        Assert.That(File.ReadAllText(best), Is.EqualTo("step-000002\n"));
        Assert.That(CheckpointStore.Exists(store.FindLatest()!.Path, 2) && !CheckpointStore.Exists(store.FindLatest()!.Path, 3));
        store.Save(5, path => File.WriteAllText(Path.Combine(path, "w"), "w"), 5);
        Assert.That(store.List().Select(c => c.Step), Is.EqualTo(new long[] { 5 }));
        File.WriteAllText(best, "step-000002\n");   // killed before it was written
        store.Tidy(5, 5);
        Assert.That(File.ReadAllText(best), Is.EqualTo("step-000005\n"));
        store.Tidy(5);
        Assert.That(best, Does.Not.Exist);
    }

    [Test]
    public void Tidy_RemovesWhatAKilledProcessLeft()
    {
        CheckpointStore store = new(_directory.Path, keep: 1);
        store.Save(2, path => File.WriteAllText(Path.Combine(path, "w"), "2"));
        store.Save(3, path => File.WriteAllText(Path.Combine(path, "w"), "3"));
        foreach (string name in new[] { "step-000001", "step-000002.tmp", "step-000004.tmp" })
        {
            Directory.CreateDirectory(_directory.File(name));
        }

        store.Tidy(3);
        Assert.That(Directory.GetDirectories(_directory.Path).Select(Path.GetFileName), Is.EqualTo(["step-000003"]));
    }

    // Killed between the two renames of saving: the checkpoint is there, `latest` still names the one before.
    [Test]
    public void Tidy_NamesTheCheckpointInUse()
    {
        CheckpointStore store = new(_directory.Path);
        store.Save(2, path => File.WriteAllText(Path.Combine(path, "w"), "2"));
        store.Save(3, path => File.WriteAllText(Path.Combine(path, "w"), "3"));
        string latest = _directory.File("latest");
        foreach (string? stale in new[] { "step-000002\n", "", null })
        {
            File.Delete(latest);
            if (stale is not null)
            {
                File.WriteAllText(latest, stale);
            }

            File.WriteAllText(latest + ".tmp", "step-0000");
            store.Tidy(store.FindLatest()!.Step);
            Assert.That(File.ReadAllText(latest), Is.EqualTo("step-000003\n"));
            Assert.That(latest + ".tmp", Does.Not.Exist);
        }
    }

    [Test]
    public void Tidy_OfNothing_WritesNothing()
    {
        CheckpointStore store = new(_directory.File("checkpoints"));
        store.Tidy(-1);
        Assert.That(Directory.GetFileSystemEntries(_directory.Path), Is.Empty);
    }

    [Test]
    public void Remove_LeavesNothing()
    {
        CheckpointStore store = new(_directory.Path);
        CheckpointInfo saved = store.Save(1, path => File.WriteAllText(Path.Combine(path, "w"), "weights"));
        Directory.CreateDirectory(saved.Path + ".tmp");
        CheckpointStore.Remove(saved);
        Assert.That(Directory.GetDirectories(_directory.Path), Is.Empty);
    }

    [Test]
    public void FindLatest_AfterAKillBetweenTheTwoRenames_FindsTheReplacedOne()
    {
        CheckpointStore store = new(_directory.Path);
        store.Save(7, path => File.WriteAllText(Path.Combine(path, "w"), "old"));
        Directory.Move(_directory.File("step-000007"), _directory.File("step-000007.old"));
        Assert.That(store.FindLatest()?.Path, Is.EqualTo(_directory.File("step-000007")));
    }

    [Test]
    public void FindLatest_InAnEmptyOrMissingDirectory_IsNull()
    {
        Assert.That(new CheckpointStore(_directory.Path).FindLatest(), Is.Null);
        Assert.That(new CheckpointStore(_directory.File("none")).FindLatest(), Is.Null);
    }

    [Test]
    public void Save_AfterGoingBack_KeepsLaterStepsOfTheOtherRun()
    {
        CheckpointStore store = new(_directory.Path, keep: 1);
        store.Save(9, path => File.WriteAllText(Path.Combine(path, "w"), "9"));
        store.Save(3, path => File.WriteAllText(Path.Combine(path, "w"), "3"));
        Assert.That(store.List().Select(c => c.Step), Is.EqualTo([3, 9]));
    }
}
