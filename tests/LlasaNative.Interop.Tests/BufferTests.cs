using System.Buffers;

namespace LlasaNative.Interop.Tests;

[TestFixture]
public sealed class BufferTests : LeakCheckedTests
{
    [Test]
    public void Buffer_WhenCreated_IsZeroedAlignedAndCounted()
    {
        using var buffer = new PinnedBuffer(1000);
        using var pin = buffer.Memory.Pin();
        Assert.Multiple(() =>
        {
            Assert.That(buffer.GetSpan().ToArray(), Is.EqualTo(new float[1000]));
            Assert.That(Address(pin) % 64, Is.Zero);
            Assert.That(NativeDevice.GetLiveCounts().Buffers, Is.EqualTo(1));
        });
    }

    [Test]
    public void Buffer_AfterDispose_ThrowsInsteadOfReadingFreedMemory()
    {
        var buffer = new PinnedBuffer(8);
        ((IDisposable)buffer).Dispose();
        ((IDisposable)buffer).Dispose();
        Assert.Multiple(() =>
        {
            Assert.That(() => buffer.GetSpan(), Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => buffer.Pin(), Throws.TypeOf<ObjectDisposedException>());
        });
    }

    [Test]
    public void Buffer_PinnedWhenDisposed_LivesUntilUnpinned()
    {
        var buffer = new PinnedBuffer(8);
        var pin = buffer.Pin();
        ((IDisposable)buffer).Dispose();
        Assert.That(NativeDevice.GetLiveCounts().Buffers, Is.EqualTo(1));
        pin.Dispose();
        Assert.That(NativeDevice.GetLiveCounts().Buffers, Is.Zero);
    }

    [Test]
    public void Buffer_NeverDisposed_IsFreedByItsFinalizer()
    {
        Abandon();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.That(NativeDevice.GetLiveCounts().Buffers, Is.Zero);
    }

    [TestCase(0)]
    [TestCase(-1)]
    public void Buffer_OfNoLength_IsRefused(int length) =>
        Assert.That(() => new PinnedBuffer(length), Throws.TypeOf<ArgumentOutOfRangeException>());

    [Test]
    public void Pool_ReturnsTheSameMemory_ForTheSameSizeClass()
    {
        using var pool = new PinnedBufferPool();
        long first;
        using (var rented = pool.Rent(1000))
        {
            using var pin = rented.Memory.Pin();
            first = Address(pin);
        }

        using var again = pool.Rent(600);
        using var other = pool.Rent(600);
        using var againPin = again.Memory.Pin();
        using var otherPin = other.Memory.Pin();
        Assert.Multiple(() =>
        {
            Assert.That(again.Memory.Length, Is.EqualTo(600));
            Assert.That(Address(againPin), Is.EqualTo(first));
            Assert.That(Address(otherPin), Is.Not.EqualTo(first));
        });
    }

    [Test]
    public void Pool_DisposedBeforeItsBuffers_FreesThemWhenTheyComeBack()
    {
        var pool = new PinnedBufferPool();
        var rented = pool.Rent(10);
        pool.Dispose();
        Assert.That(NativeDevice.GetLiveCounts().Buffers, Is.EqualTo(1));
        rented.Dispose();
        Assert.Multiple(() =>
        {
            Assert.That(NativeDevice.GetLiveCounts().Buffers, Is.Zero);
            Assert.That(() => pool.Rent(10), Throws.TypeOf<ObjectDisposedException>());
        });
    }

    private static void Abandon() => _ = new PinnedBuffer(16);

    private static unsafe long Address(MemoryHandle handle) => (long)handle.Pointer;
}
