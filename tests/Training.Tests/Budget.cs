using LlasaNative.Training.Tests.Fakes;

namespace LlasaNative.Training.Tests;

/// <summary>What these tests may cost and load.</summary>
[SetUpFixture]
public sealed class Budget
{
    private readonly TimeSpan _before = Environment.CpuUsage.TotalTime;

    /// <remarks>They take three; where other work wants the same cores, processor time runs faster, too.</remarks>
    [OneTimeTearDown]
    public void AllTests_TakeLessThanTenSecondsOfProcessorTime() => Assert.That(Environment.CpuUsage.TotalTime - _before, Is.LessThan(TimeSpan.FromSeconds(10)));
}

/// <summary>The method runs without anything of ours below it.</summary>
public sealed class DependencyTests
{
    [Test]
    public void Method_LoadsNoNativeLibraryAndNoOtherAssemblyOfOurs()
    {
        using World world = new(World.Settings(), ["ab", "b"], World.EvenOnesAreRight);
        world.Run(new Memory());
        string[] loaded = [.. AppDomain.CurrentDomain.GetAssemblies().Select(a => a.GetName().Name!).Where(n => n.StartsWith("LlasaNative", StringComparison.Ordinal))];
        string[] near = [.. Directory.EnumerateFiles(AppContext.BaseDirectory, "*llasa*", new EnumerationOptions { MatchCasing = MatchCasing.CaseInsensitive, RecurseSubdirectories = true })
            .Select(Path.GetFileNameWithoutExtension).Distinct()!];
        Assert.Multiple(() =>
        {
            Assert.That(loaded, Is.EqualTo(new[] { "LlasaNative.Training" }));
            Assert.That(near, Is.EqualTo(loaded), "nothing else is there to be loaded");
            Assert.That(File.ReadAllText("/proc/self/maps"), Does.Not.Contain("libllasa"));
        });
    }
}
