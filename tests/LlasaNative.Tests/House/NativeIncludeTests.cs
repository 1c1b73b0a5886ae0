using System.Text.RegularExpressions;
using LlasaNative.Tests.Support;

namespace LlasaNative.Tests.House;

/// <summary>Which layer of the native library includes which.</summary>
public sealed partial class NativeIncludeTests
{
    private static readonly Dictionary<string, string[]> May = new()
    {
        ["core"] = ["core"],
        ["ops"] = ["core", "ops"],
        ["cpu"] = ["core", "cpu", "ops"],
        ["cuda"] = ["core", "cuda", "cudasim", "ops"],
        ["models"] = ["core", "models", "ops"],
        ["abi"] = ["abi", "core", "models", "ops"],
    };

    private static IEnumerable<(string File, string Layer, string Included)> Includes
    {
        get
        {
            var root = Path.Combine(OracleData.RepositoryRoot, "native", "src");
            return Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories).SelectMany(path => Include().Matches(File.ReadAllText(path))
                .Select(m => (Path.GetRelativePath(root, path), Path.GetRelativePath(root, path).Split('/')[0], m.Groups["what"].Value)));
        }
    }

    [Test]
    public void Layers_IncludeOnlyWhatLiesBelowThem()
    {
        var ours = Includes.Where(i => i.Included.Contains('/')).ToArray();
        Assert.That(ours, Has.Length.GreaterThan(100), "the pattern finds includes");
        Assert.That(ours.Where(i => !May[i.Layer].Contains(i.Included.Split('/')[0])).Select(i => $"{i.File} includes {i.Included}"), Is.Empty);
    }

    [Test]
    public void Header_IsIncludedByTheAbiAlone() =>
        Assert.That(Includes.Where(i => i.Included == "llasa_native.h").Select(i => i.Layer).Distinct(), Is.EqualTo(new[] { "abi" }));

    [GeneratedRegex(@"^\s*#\s*include\s+""(?<what>[^""]+)""", RegexOptions.Multiline)]
    private static partial Regex Include();
}
