using System.Text.RegularExpressions;
using LlasaNative.Tests.Support;

namespace LlasaNative.Tests.House;

/// <summary>Which folder of an assembly may use the types of which: those before it.</summary>
public sealed partial class FolderTests
{
    // A folder, or folders that belong together, may use everything to its left; "." is the assembly's own folder.
    private static readonly Dictionary<string, string[]> Order = new()
    {
        ["LlasaNative.Training"] = ["Errors", "Files", "Configuration", "Extensions", "Data", "Text", "Audio", "Reporting", "Rewards", "Models", "Options Losses Advantages", "Judging", "Ports", "Recognition", ".", "Evaluation", "Running"],
        ["LlasaNative.Engine"] = ["Audio", "Weights", "Text", "Models", "RandomCheckpoints", "."],
        ["LlasaNative.Data"] = ["Http", "Hdfs", "Hub Parquet Preparation ."],
        ["LlasaNative.Reporting"] = ["Drawing", ".", "Dashboard Rating Publishing"],
        ["LlasaNative.RewardServer"] = ["Wire", "."],
    };

    [TestCaseSource(nameof(Assemblies))]
    public void Folders_UseOnlyWhatStandsBeforeThem(string assembly)
    {
        var root = Path.Combine(OracleData.RepositoryRoot, "managed", assembly);
        (string Folder, string Name, string Text)[] files = [.. Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories)
            .Select(path => (Parts: Path.GetRelativePath(root, path).Split('/'), path))
            .Where(f => f.Parts[0] is not ("obj" or "bin" or "Properties"))
            .Select(f => (f.Parts.Length == 1 ? "." : f.Parts[0], Path.GetRelativePath(root, f.path), NoCode().Replace(File.ReadAllText(f.path), "")))];
        var levels = Order[assembly].SelectMany((folders, level) => folders.Split(' ').Select(folder => (folder, level))).ToDictionary(f => f.folder, f => f.level);
        Assert.That(files.Select(f => f.Folder).Distinct(), Is.EquivalentTo(levels.Keys), "a new folder says here where it stands");
        var homes = files.SelectMany(f => Declaration().Matches(f.Text).Select(m => (m.Groups["name"].Value, f.Folder))).DistinctBy(t => t.Value)
            .ToDictionary(t => t.Value, t => t.Folder);
        string[] upward = [.. files.SelectMany(f => Uses(f.Text).Distinct()
            .Where(name => homes.TryGetValue(name, out var home) && levels[home] > levels[f.Folder])
            .Select(name => $"{f.Name} uses {name} of {homes[name]}/"))];
        Assert.That(homes, Has.Count.GreaterThan(5), "the pattern finds types");
        Assert.That(upward, Is.Empty);
    }

    [Test]
    public void Uses_AreTypesAndNotMembersOfTheSameName()
    {
        const string code = "Rollout Rollout { get; } = options.Rollout; void Prosody() => new Judge(this is Sound); float[] Advantages, List<Token> x";
        Assert.That(Uses(code), Is.EqualTo(new[] { "Rollout", "Judge", "Sound", "List", "Token" }));
    }

    private static IEnumerable<string> Assemblies => Order.Keys;

    private static IEnumerable<string> Uses(string code) => Word().Matches(code).Where(m => !IsMember(code, m)).Select(m => m.Value);

    /// <summary>Whether a word is a member that is used or declared: it stands behind a point, behind a type, or before an equals sign.</summary>
    private static bool IsMember(string code, Match word)
    {
        var before = code[Math.Max(0, word.Index - 30)..word.Index];
        return before.EndsWith('.') || Behind().Match(before) is { Success: true } behind && !Keyword().IsMatch(behind.Groups["word"].Value);
    }

    [GeneratedRegex(@"//[^\n]*|""(?:[^""\\\n]|\\.)*""")]
    private static partial Regex NoCode();

    [GeneratedRegex(@"^(?:public|internal) (?:(?:static|sealed|abstract|readonly|partial|unsafe|ref) )*(?:record struct|record|class|struct|enum|interface|delegate [\w<>\[\],]+) (?<name>\w+)", RegexOptions.Multiline)]
    private static partial Regex Declaration();

    [GeneratedRegex(@"\b[A-Z]\w+\b")]
    private static partial Regex Word();

    [GeneratedRegex(@"(?<word>\w+|\]|>|\?) $")]
    private static partial Regex Behind();

    [GeneratedRegex(@"^(new|is|not|as|return|public|private|internal|protected|static|readonly|sealed|abstract|override|virtual|out|ref|in|params|await|async|using|throw|case|or|and|const|required|event|where|partial|else|scoped|fixed|yield|class|struct|record|interface|enum)$")]
    private static partial Regex Keyword();
}
