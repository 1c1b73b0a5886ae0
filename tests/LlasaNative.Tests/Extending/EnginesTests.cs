using LlasaNative.Engine;
using LlasaNative.Extensions;
using LlasaNative.Training;
using Mine;

namespace LlasaNative.Tests.Extending;

/// <summary>Engines by name: of the program, in folders beside it, and of anybody's assembly.</summary>
public sealed class EnginesTests
{
    private static readonly string Library = typeof(EnginesTests).Assembly.Location;
    private string _root = "";

    [SetUp]
    public void MakeFolder() => _root = Directory.CreateTempSubdirectory("llasa-engines-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_root, recursive: true);

    [Test]
    public void AnEngineInAFolder_IsFoundByItsName_AndGetsItsOptions()
    {
        Publish("mine");
        var engine = Create("mine(decay=0.5)");
        Assert.Multiple(() =>
        {
            Assert.That(engine.GetType().FullName, Is.EqualTo(typeof(ShortMemory).FullName));
            Assert.That(engine.GetType().Assembly.Location, Does.StartWith(_root), "it is the folder's, not this assembly's own");
            Assert.That(engine.GetType().GetProperty("Decay")!.GetValue(engine), Is.EqualTo(0.5));
            Assert.That(Create("mine").GetType(), Is.EqualTo(engine.GetType()), "an assembly is loaded once");
        });
    }

    [Test]
    public void TheFirstFolderThatHasIt_Wins()
    {
        Publish("mine");
        Assert.That(Engines.Create<ITrainerEngine>("trainer.engine", "mine", [Path.Combine(_root, "none"), _root]), Is.Not.Null);
    }

    [Test]
    public void TheProgramsOwn_IsMadeWithoutAFolder()
    {
        ShortMemory own = new();
        Assert.That(Create("own", ("own", () => own)), Is.SameAs(own));
        Assert.That(new TrainerOptions().CreateEngine(), Is.Not.Null, "the default");
    }

    [Test]
    public void AnEngineOfAnybodysAssembly_IsNamedWithIt() =>
        Assert.That(
            new TrainerOptions { Engine = $"{Library}:{typeof(ShortMemory).FullName}(decay=0.5)" }.CreateEngine().GetType().FullName, Is.EqualTo(typeof(ShortMemory).FullName));

    [TestCase("torch", "./build.sh engine-torch")]
    [TestCase("torch", "NuGet package LlasaNative.TorchSharp")]
    [TestCase("torhc", "engines that can be had are native, torch")]
    [TestCase("whispernet", "engines that can be had are native, torch")]
    [TestCase("../mine", "`../mine` is neither native, nor the name of a folder of engines/")]
    [TestCase("", "`` is neither native")]
    [TestCase("native(threads=2)", "`native` has no option `threads`")]
    [TestCase("nowhere.dll:Mine", "`nowhere.dll`: no such file")]
    [TestCase("torch(", "the parenthesis is not closed")]
    public void AnEngineThatIsNotThere_IsRefusedWithWhatHelps(string name, string message)
    {
        var error = Assert.Throws<UsageException>(() => Create(name, ("native", () => new ShortMemory())))!;
        Assert.That(error.Message, Does.StartWith("`trainer.engine`: ").And.Contain(message));
    }

    [Test]
    public void AnEngineThatIsNotThere_IsRefusedWithWhereItWasLookedFor() =>
        Assert.That(() => Create("torch"), Throws.TypeOf<UsageException>().With.Message.Contains(Path.Combine(_root, "torch")));

    [Test]
    public void AnEngineForAnotherPort_IsOneOfItsOwn()
    {
        var error = Assert.Throws<UsageException>(() => Engines.Create<IRecogniserEngine>("whispernet", "whispernet", [_root]))!;
        Assert.That(error.Message, Does.StartWith($"`whispernet`: there is no engine `whispernet`: this is not there: {Path.Combine(_root, "whispernet")}; `./build.sh engine-whispernet`"));
    }

    [Test]
    public void AFolderOfNoAssembly_IsRefused()
    {
        Directory.CreateDirectory(Path.Combine(_root, "empty"));
        Assert.That(() => Create("empty"), Throws.TypeOf<UsageException>().With.Message.Contains("holds 0 files *.deps.json, expected that of one assembly"));
    }

    [Test]
    public void AFolderWhoseAssemblyIsDamaged_IsRefused()
    {
        Publish("mine");
        File.WriteAllText(Path.Combine(_root, "mine", Path.GetFileName(Library)), "no assembly");
        Assert.That(() => Create("mine"), Throws.TypeOf<UsageException>().With.Message.StartsWith("`trainer.engine`: engine"));
    }

    [Test]
    public void AnAssemblyWithoutSuchAClass_IsRefused()
    {
        Publish("mine");
        Assert.That(
            () => Engines.Create<IRecogniser>("x", "mine", [_root]),
            Throws.TypeOf<UsageException>().With.Message.Contains("0 public classes implement LlasaNative.Training.IRecogniser, expected one"));
    }

    private ITrainerEngine Create(string name, params (string Name, Func<ITrainerEngine> Create)[] own) => Engines.Create("trainer.engine", name, [_root], own);

    // As `dotnet publish` leaves a class library: its assembly with the file that says what it needs.
    private void Publish(string name)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_root, name)).FullName;
        foreach (var file in new[] { Library, Path.ChangeExtension(Library, ".deps.json") })
        {
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }
    }
}
