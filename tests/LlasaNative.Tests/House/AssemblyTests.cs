using System.Reflection;
using System.Xml.Linq;
using LlasaNative.Tests.Support;

namespace LlasaNative.Tests.House;

/// <summary>Which assembly may reference which: dependencies point one way, and the method knows nothing of ours.</summary>
public sealed class AssemblyTests
{
    private static readonly Dictionary<string, string[]> May = new()
    {
        ["LlasaNative.Interop"] = [],
        ["LlasaNative.Training"] = [],
        ["LlasaNative.Engine"] = ["LlasaNative.Interop", "LlasaNative.Training"],
        ["LlasaNative.Data"] = ["LlasaNative.Training"],
        ["LlasaNative.Reporting"] = ["LlasaNative.Training"],
        ["LlasaNative.RewardServer"] = ["LlasaNative.Training"],
        ["LlasaNative.TorchSharp"] = ["LlasaNative.Engine"],
        ["LlasaNative.WhisperNet"] = ["LlasaNative.Engine"],
        ["LlasaNative.Onnx"] = ["LlasaNative.Engine"],
        ["LlasaNative.Trainer"] = ["LlasaNative.Data", "LlasaNative.Engine", "LlasaNative.Reporting", "LlasaNative.RewardServer"],
        ["LlasaNative.BindingGenerator"] = [],
    };

    [Test]
    public void Projects_ReferenceWhatTheyMay()
    {
        var projects = new[] { "bindings", "managed" }.SelectMany(folder =>
            Directory.EnumerateFiles(Path.Combine(OracleData.RepositoryRoot, folder), "*.csproj", SearchOption.AllDirectories)).ToArray();
        Assert.That(projects.Select(p => Path.GetFileNameWithoutExtension(p)), Is.EquivalentTo(May.Keys), "a new assembly says here what it may reference");
        Assert.Multiple(() =>
        {
            foreach (var project in projects)
            {
                var references = XDocument.Load(project).Descendants("ProjectReference")
                    .Select(r => Path.GetFileNameWithoutExtension(r.Attribute("Include")!.Value.Replace('\\', '/')));
                Assert.That(references, Is.EquivalentTo(May[Path.GetFileNameWithoutExtension(project)]), project);
            }
        });
    }

    [TestCase("LlasaNative.Training")]
    [TestCase("LlasaNative.Engine")]
    [TestCase("LlasaNative.Data")]
    [TestCase("LlasaNative.Reporting")]
    [TestCase("LlasaNative.RewardServer")]
    public void Assemblies_UseWhatTheyMay(string name)
    {
        var used = Assembly.Load(name).GetReferencedAssemblies().Select(a => a.Name!).Where(n => n.StartsWith("LlasaNative", StringComparison.Ordinal));
        Assert.That(used, Is.SubsetOf(May[name]));
    }
}
