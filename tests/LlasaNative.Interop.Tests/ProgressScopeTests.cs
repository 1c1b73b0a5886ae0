namespace LlasaNative.Interop.Tests;

/// <summary>Calls the callback as native code would.</summary>
[TestFixture]
public sealed unsafe class ProgressScopeTests
{
    [Test]
    public void Callback_PassesCountsOnAndContinues()
    {
        (long, long) seen = default;
        using var scope = new ProgressScope(
            (done, total) =>
            {
                seen = (done, total);
                return true;
            },
            CancellationToken.None);
        Assert.Multiple(() =>
        {
            Assert.That(scope.Callback(scope.User, 3, 7), Is.Zero);
            Assert.That(seen, Is.EqualTo((3L, 7L)));
            Assert.That(() => scope.Check(LlasaStatus.Ok), Throws.Nothing);
        });
    }

    [Test]
    public void Callback_WhoseDelegateReturnsFalse_Cancels()
    {
        using var scope = new ProgressScope((_, _) => false, CancellationToken.None);
        Assert.Multiple(() =>
        {
            Assert.That(scope.Callback(scope.User, 0, 1), Is.Not.Zero);
            Assert.That(() => scope.Check(LlasaStatus.Cancelled), Throws.TypeOf<OperationCanceledException>());
        });
    }

    [Test]
    public void Callback_AfterTheTokenWasCancelled_Cancels()
    {
        using var source = new CancellationTokenSource();
        using var scope = new ProgressScope(null, source.Token);
        Assert.That(scope.Callback(scope.User, 0, 1), Is.Zero);
        source.Cancel();
        Assert.That(scope.Callback(scope.User, 0, 1), Is.Not.Zero);
        var error = Assert.Throws<OperationCanceledException>(() => scope.Check(LlasaStatus.Cancelled));
        Assert.That(error!.CancellationToken, Is.EqualTo(source.Token));
    }

    [Test]
    public void Exception_OfTheDelegate_ComesOutOfTheCallNotThroughNativeCode()
    {
        using var scope = new ProgressScope((_, _) => throw new FormatException("mine"), CancellationToken.None);
        var calls = scope.Callback(scope.User, 0, 1);
        Assert.Multiple(() =>
        {
            Assert.That(calls, Is.Not.Zero);
            Assert.That(() => scope.Check(LlasaStatus.Cancelled), Throws.TypeOf<FormatException>().With.Message.EqualTo("mine"));
        });
    }

    [Test]
    public void ArrivedCallback_TellsTheDelegatesCountAtEveryLookWithoutAllocating()
    {
        long prompts = 0;
        using var scope = new ProgressScope(null, CancellationToken.None, arrived: () => ++prompts);
        Assert.That(scope.ArrivedCallback(scope.User), Is.EqualTo(1));
        var before = GC.GetAllocatedBytesForCurrentThread();
        var second = scope.ArrivedCallback(scope.User);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Multiple(() =>
        {
            Assert.That(second, Is.EqualTo(2));
            Assert.That(allocated, Is.Zero);
        });
    }

    [Test]
    public void ArrivedCallback_WhoseDelegateThrows_Cancels()
    {
        var calls = 0;
        using var scope = new ProgressScope(null, CancellationToken.None, arrived: () => ++calls > 1 ? throw new FormatException("mine") : 5);
        var first = scope.ArrivedCallback(scope.User);
        var second = scope.ArrivedCallback(scope.User);
        Assert.Multiple(() =>
        {
            Assert.That(first, Is.EqualTo(5));
            Assert.That(second, Is.EqualTo(-1));
            Assert.That(() => scope.Check(LlasaStatus.Cancelled), Throws.TypeOf<FormatException>().With.Message.EqualTo("mine"));
        });
    }

    [Test]
    public void Token_AlreadyCancelled_StopsBeforeTheCall() =>
        Assert.That(() => new ProgressScope(null, new CancellationToken(true)), Throws.TypeOf<OperationCanceledException>());

    [Test]
    public void Callback_WithNothingToTell_IsNull()
    {
        using var scope = new ProgressScope(null, CancellationToken.None);
        Assert.That(scope.Callback == null, Is.True);
    }
}
