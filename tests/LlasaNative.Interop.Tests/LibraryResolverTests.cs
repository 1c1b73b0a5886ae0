namespace LlasaNative.Interop.Tests;

[TestFixture]
public sealed class LibraryResolverTests
{
    [TestCase(null, NativeBackend.Auto)]
    [TestCase("", NativeBackend.Auto)]
    [TestCase("AUTO", NativeBackend.Auto)]
    [TestCase(" cpu", NativeBackend.Cpu)]
    [TestCase("cuda", NativeBackend.Cuda)]
    [TestCase("cudasim", NativeBackend.CudaSim)]
    public void Environment_NamesTheBackend(string? value, NativeBackend expected) =>
        Assert.That(LibraryResolver.FromEnvironment(value), Is.EqualTo(expected));

    [Test]
    public void Environment_WithAnUnknownBackend_IsAnErrorThatListsTheKnownOnes() =>
        Assert.That(() => LibraryResolver.FromEnvironment("gpu"),
            Throws.ArgumentException.With.Message.Contains("`gpu`").And.Message.Contains("auto, cpu or cuda"));

    [Test]
    public void Search_StartsAtTheGivenFolderAndEndsInTheSourceTree()
    {
        var places = LibraryResolver.Candidates("cpu", "/given", "/app", AppContext.BaseDirectory).ToList();
        Assert.Multiple(() =>
        {
            Assert.That(places[..3], Is.EqualTo(new[]
            {
                "/given/libllasa_cpu.so", "/app/runtimes/linux-x64/native/libllasa_cpu.so", "/app/libllasa_cpu.so",
            }));
            Assert.That(places[^2], Does.EndWith("build/native/cpu/libllasa_cpu.so"));
            Assert.That(places[^1], Does.EndWith("build/native/cpu-library/libllasa_cpu.so"));
        });
    }

    [Test]
    public void Backend_OnceLoaded_CannotBeChanged()
    {
        var other = NativeDevice.GetInfo().Backend == "cpu" ? NativeBackend.Cuda : NativeBackend.Cpu;
        Assert.That(() => NativeDevice.UseBackend(other), Throws.InvalidOperationException.With.Message.Contains(NativeDevice.LibraryPath!));
    }
}
