namespace LlasaNative.Interop.Tests;

/// <summary>Every test starts and ends with no native handle and no native tensor memory alive.</summary>
public abstract class LeakCheckedTests
{
    [TearDown]
    public void NothingIsLeftAlive()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var counts = NativeDevice.GetLiveCounts();
        Assert.Multiple(() =>
        {
            Assert.That(counts.Policies, Is.Zero, "policies");
            Assert.That(counts.Rollouts, Is.Zero, "rollouts");
            Assert.That(counts.Trainers, Is.Zero, "trainers");
            Assert.That(counts.Codecs, Is.Zero, "codecs");
            Assert.That(counts.Whispers, Is.Zero, "whispers");
            Assert.That(counts.Buffers, Is.Zero, "buffers");
            Assert.That(counts.AllocatedBytes, Is.Zero, "allocated bytes");
        });
    }
}
