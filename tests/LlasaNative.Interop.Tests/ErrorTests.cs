namespace LlasaNative.Interop.Tests;

[TestFixture]
public sealed class ErrorTests : LeakCheckedTests
{
    [Test]
    public void Failure_CarriesStatusAndTheNameOfTheFunction() =>
        Assert.That(() => Native.BufferCreate(-1), Throws.TypeOf<NativeException>()
            .With.Property(nameof(NativeException.Status)).EqualTo(LlasaStatus.Argument)
            .And.Message.Contains("llasa_buffer_create").And.Message.Contains("-1"));

    [Test]
    public void Message_BelongsToTheThreadThatFailed()
    {
        Assert.That(() => Native.BufferCreate(-11), Throws.TypeOf<NativeException>());
        string? elsewhere = null;
        var thread = new Thread(() =>
        {
            var before = Native.LastError();
            Assert.That(() => Native.BufferCreate(-22), Throws.TypeOf<NativeException>());
            elsewhere = before + "|" + Native.LastError();
        });
        thread.Start();
        thread.Join();
        Assert.Multiple(() =>
        {
            Assert.That(elsewhere, Does.StartWith("|").And.Contains("-22"));
            Assert.That(Native.LastError(), Does.Contain("-11"));
        });
    }

    [Test]
    public void Message_UnderManyThreads_IsNeverAnothersMessage() =>
        Parallel.For(1, 200, i =>
        {
            var error = Assert.Throws<NativeException>(() => Native.BufferCreate(-i));
            Assert.That(error!.Message, Does.Contain($"-{i},"));
        });

    [Test]
    public void Handle_ThatWasNeverFilled_IsRefusedByNativeCode()
    {
        using var empty = new PolicyHandle();
        Assert.That(() => Native.PolicyTensorCount(empty), Throws.TypeOf<NativeException>()
            .With.Property(nameof(NativeException.Status)).EqualTo(LlasaStatus.Argument));
    }

    [Test]
    public void Handle_WhenNull_IsRefusedBeforeTheCall() =>
        Assert.That(() => Native.PolicyTensorCount(null!), Throws.TypeOf<ArgumentNullException>());

    [Test]
    public void Allocation_TooLargeForTheMachine_IsOutOfMemory() =>
        Assert.That(() => Native.BufferCreate(long.MaxValue / 2), Throws.TypeOf<NativeException>()
            .With.Property(nameof(NativeException.Status)).EqualTo(LlasaStatus.OutOfMemory));

    [TestCase(0)]
    [TestCase(257)]
    [TestCase(-1)]
    public void ThreadCount_OutOfRange_IsRefused(int count)
    {
        if (count == 0)
        {
            NativeDevice.SetThreadCount(0);
            Assert.That(NativeDevice.GetInfo().NumThreads, Is.GreaterThan(0));
        }
        else
        {
            Assert.That(() => NativeDevice.SetThreadCount(count), Throws.TypeOf<NativeException>());
        }
    }

    [Test]
    public void DeviceInfo_NamesBackendAndInstructionSet()
    {
        var info = NativeDevice.GetInfo();
        Assert.Multiple(() =>
        {
            Assert.That(info.Backend, Is.AnyOf("cpu", "cuda", "cudasim"));
            Assert.That(info.Isa, Is.Not.Empty);
            Assert.That(info.DeviceName, Is.Not.Empty);
            Assert.That(NativeDevice.LibraryPath, Does.Exist);
        });
    }
}
