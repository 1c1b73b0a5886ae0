using System.Text.RegularExpressions;
using LlasaNative.Tests.Support;

namespace LlasaNative.Tests.House;

/// <summary>What the documents say there is.</summary>
public sealed partial class DocumentTests
{
    [Test]
    public void EveryRowOfCompatibility_NamesTestsThatExist()
    {
        var root = OracleData.RepositoryRoot;
        string[] folders = ["tests", Path.Combine("native", "tests")];
        var sources = string.Concat(folders.SelectMany(folder => Directory.EnumerateFiles(Path.Combine(root, folder), "*.c?", SearchOption.AllDirectories))
            .Where(path => !path.Contains("/obj/", StringComparison.Ordinal)).Select(File.ReadAllText));
        string[] named = [.. TestName().Matches(File.ReadAllText(Path.Combine(root, "docs", "compatibility.md"))).Select(m => m.Groups[1].Value).Distinct()];
        Assert.That(named, Has.Length.GreaterThan(50), "the pattern finds names");
        Assert.That(named.Where(name => !Regex.IsMatch(sources, $@"\b{name}\b")), Is.Empty);
    }

    [GeneratedRegex("`([A-Z][A-Za-z0-9]*_[A-Za-z0-9_]+)`")]
    private static partial Regex TestName();
}
