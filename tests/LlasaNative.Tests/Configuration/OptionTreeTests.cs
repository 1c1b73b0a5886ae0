using LlasaNative.Configuration;
using LlasaNative.Tests.Support;

namespace LlasaNative.Tests.Configuration;

/// <summary>The mechanism itself, on records of its own.</summary>
public sealed class OptionTreeTests
{
    private sealed record Shape
    {
        [Option("How heavy.", AtLeast = 0, Unit = "grams")]
        public double Weight { get; init; } = 1;

        [Option("How wide.", Above = 0, Below = 10, Verl = "world.geometry.side")]
        public int Side { get; init; } = 2;
    }

    [RemovedOption("thing.colour", "paint it", "grey")]
    [RemovedOption("thing.size", "set `thing.shape.side`")]
    private sealed record Thing : ICheckedOptions
    {
        [Option("The shape.")]
        public Shape Shape { get; init; } = new();

        [Option("How many.", AtLeast = 1, AtMost = 9)]
        public int Count { get; init; } = 3;

        public IEnumerable<string> Faults() => Count == 7 ? ["`thing.count` 7 is unlucky"] : [];
    }

    private sealed record World : IPresetOptions
    {
        [Option("Sets several.")]
        public bool Heavy { get; init; }

        [Option("The thing.")]
        public Thing Thing { get; init; } = new();

        [Option("Its cellar.", FreeOnResume = true)]
        public Thing Cellar { get; init; } = new();

        public IEnumerable<OptionAssignment> Preset() => Heavy ? [new("thing.count", "9", "heavy"), new("thing.shape.weight", "50", "heavy")] : [];
    }

    private static World Build(params string[] set) => OptionTree.Build<World>(set.Select(OptionAssignment.Parse));

    private static string Refused(params string[] set) => Assert.Throws<UsageException>(() => Build(set))!.Message;

    [Test]
    public void ASectionInASection_IsSetByItsKeys_OrAsAMapping()
    {
        World expected = new() { Thing = new Thing { Shape = new Shape { Side = 4, Weight = 2.5 } } };
        Assert.That(Build("thing.shape.side=4", "thing.shape.weight=2.5"), Is.EqualTo(expected));
        Assert.That(OptionTree.Build<World>(OptionFile.Parse("thing:\n  shape: {side: 4, weight: 2.5}\n", "a.yaml")), Is.EqualTo(expected));
        Assert.That(Refused("thing.shape=flat"), Does.StartWith("--set: unknown key `thing.shape`, did you mean `thing."));
    }

    [Test]
    public void AFile_HoldsTheValuesOfTheOneItIsBasedOn_WhereItSaysNothing()
    {
        using TemporaryDirectory folder = new();
        folder.Write("bases/first.yaml", "thing:\n  count: 2\n  shape: {side: 4, weight: 2.5}\n");
        folder.Write("second.yaml", "thing:\n  count: 5\nbase: bases/first.yaml\n");
        var third = folder.Write("third.yaml", "base: second.yaml\nthing.shape.side: 6\n");
        Assert.That(OptionTree.Build<World>(OptionFile.Read(third)).Thing, Is.EqualTo(new Thing { Count = 5, Shape = new Shape { Side = 6, Weight = 2.5 } }));
        folder.Write("bases/first.yaml", "thing:\n  count: 99\n");
        Assert.That(
            Assert.Throws<UsageException>(() => OptionTree.Build<World>(OptionFile.Read(folder.Write("alone.yaml", "base: bases/first.yaml\n"))))!.Message,
            Does.Contain("first.yaml:2: `thing.count`: 99"));
        var itself = folder.Write("itself.yaml", "\nbase: itself.yaml\n");
        Assert.That(Assert.Throws<UsageException>(() => OptionFile.Read(itself))!.Message, Does.EndWith("itself.yaml:2: `base`: more than 8 files, each based on the next"));
        Assert.That(Assert.Throws<UsageException>(() => OptionFile.Read(folder.Write("lost.yaml", "base: nowhere.yaml\n")))!.Message, Does.Contain("nowhere.yaml: the configuration cannot be read"));
    }

    [Test]
    public void APreset_IsUnderWhatIsWritten_AndForgetsTheOneBefore()
    {
        Assert.That(Build("thing.count=2", "heavy=true").Thing, Is.EqualTo(new Thing { Count = 2, Shape = new Shape { Weight = 50 } }));
        Assert.That(Build("heavy=true", "heavy=false"), Is.EqualTo(new World()));
    }

    [Test]
    public void AFault_NamesItsPlaceTheKeyTheValueAndWhatWasExpected()
    {
        var error = Assert.Throws<UsageException>(() => OptionTree.Build<World>(OptionFile.Parse("thing:\n  count: 12\ncellar:\n  count: x\n", "a.yaml").Append(new("thing.shape.side", "10", "--set"))));
        Assert.That(error!.Message, Is.EqualTo(
            "a.yaml:4: `cellar.count`: `x` is not a whole number, expected whole number, 1 to 9; "
            + "--set: `thing.shape.side`: 10, expected whole number, more than 0, less than 10; a.yaml:2: `thing.count`: 12, expected whole number, 1 to 9"));
        Assert.That(Refused("thing.count=7"), Is.EqualTo("`thing.count` 7 is unlucky"));
        Assert.That(Refused("thing.shape.weight=nan"), Is.EqualTo("--set: `thing.shape.weight`: NaN, expected number of grams, at least 0"));
    }

    [TestCase("thing.count=4294967299", "`4294967299` is not within -2147483648 to 2147483647")]
    [TestCase("thing.count=99999999999999999999", "is not a whole number")]
    public void ANumberTooLargeForItsType_IsRefused_NotCutOff(string set, string fault) => Assert.That(Refused(set), Does.Contain(fault));

    [Test]
    public void AKeyThatIsNoMore_IsRefusedWithWhatReplacesIt()
    {
        Assert.That(Refused("thing.size=3"), Is.EqualTo("--set: `thing.size` is no option any more: set `thing.shape.side`"));
        Assert.That(OptionDocument.ToMarkdown(new World()), Does.Contain("| `thing.size` | set `thing.shape.side` |"));
    }

    [TestCase("world.geometry.side", "thing.shape.side")]
    [TestCase("geometry.side", "thing.shape.side")]
    [TestCase("thing.cuont", "thing.count")]
    [TestCase("weight", "thing.shape.weight")]
    public void AnUnknownKey_IsRefusedWithTheNearest_OrWithOursForVerls(string key, string nearest) =>
        Assert.That(Refused(key + "=1"), Is.EqualTo($"--set: unknown key `{key}`, did you mean `{nearest}`?"));

    [Test]
    public void TheYaml_ReadsBackToTheSame_AndTheTableShowsEveryKey()
    {
        var options = Build("thing.shape.side=5");
        var yaml = OptionDocument.ToYaml(options, "Head");
        Assert.That(OptionTree.Build<World>(OptionFile.Parse(yaml, "a.yaml")), Is.EqualTo(options), yaml);
        Assert.That(yaml, Does.Contain("  shape:\n    # How heavy. (number of grams, at least 0)\n    weight: 1\n"));
        Assert.That(OptionDocument.ToMarkdown(new World()), Does.Contain("| `thing.shape.side` | `2` | whole number, more than 0, less than 10 | How wide. | `world.geometry.side` |")
            .And.Contain("| `cellar.count` ↻ | `3` |"));
    }

    [Test]
    public void AnAnchorThatHoldsItself_IsRefused() =>
        Assert.That(Assert.Throws<UsageException>(() => OptionFile.Parse("a: &x\n  b: *x\n", "a.yaml"))!.Message, Does.StartWith("a.yaml:"));
}
