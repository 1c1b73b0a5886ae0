using LlasaNative.Data;
using LlasaNative.Tests.Support;
using LlasaNative.Training;

namespace LlasaNative.Tests.Data;

public sealed class UtteranceStoreTests
{
    private TemporaryDirectory _directory = null!;

    [SetUp]
    public void SetUp() => _directory = new TemporaryDirectory();

    [TearDown]
    public void TearDown() => _directory.Dispose();

    [Test]
    public void Store_GivesBackWhatItWasGiven_InAnyOrder()
    {
        // More than a buffer's worth, so that some are on disk while others are still added.
        EncodedUtterance[] all = [.. Enumerable.Range(0, 3000).Select(i => new EncodedUtterance(
            new Utterance(new string('ü', i % 7) + $" 語 {i}", [.. Enumerable.Range(i, 1 + (i % 200))]), [.. Enumerable.Range(-i, i % 50)]))];
        using UtteranceStore store = new(_directory.Path);
        foreach (var utterance in all)
        {
            store.Add(utterance);
        }

        Assert.That(store, Has.Count.EqualTo(all.Length));
        _ = Parallel.ForEach(Philox.Permutation(1, 1, all.Length), i => AssertSame(store[i], all[i]));

        foreach (var (read, given) in store.Zip(all))
        {
            AssertSame(read, given);
        }
    }

    [Test]
    public void Store_LeavesNothingInItsDirectory_NotEvenWhileItIsUsed()
    {
        var missing = _directory.File("runs/first");
        using UtteranceStore store = new(missing);
        store.Add(new EncodedUtterance(new Utterance("a", [1]), [2]));
        Assert.That(store[0].Prompt, Is.EqualTo(new[] { 2 }));
        Assert.That(Directory.GetFileSystemEntries(_directory.Path), Is.Empty, "also not the directory that is not there yet");
    }

    [Test]
    public void Store_WithoutUtterances_IsEmpty()
    {
        using UtteranceStore store = new(_directory.Path);
        Assert.That(store, Is.Empty);
        Assert.That(() => store[0], Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    private static void AssertSame(EncodedUtterance read, EncodedUtterance given)
    {
        Assert.That(read.Utterance.Text, Is.EqualTo(given.Utterance.Text));
        Assert.That(read.Utterance.Codes.SequenceEqual(given.Utterance.Codes) && read.Prompt.AsSpan().SequenceEqual(given.Prompt), read.Utterance.Text);
    }
}
