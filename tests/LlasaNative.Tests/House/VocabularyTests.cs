using System.Text.RegularExpressions;
using LlasaNative.Tests.Support;

namespace LlasaNative.Tests.House;

/// <summary>One stage, one noun: what turns sound into text is a recogniser, and codes by way of sound into text is recognition.</summary>
public sealed partial class VocabularyTests
{
    [Test]
    public void Names_CallTheStageRecognition()
    {
        string[] names = [.. Directory.EnumerateFiles(Path.Combine(OracleData.RepositoryRoot, "managed"), "*.cs", SearchOption.AllDirectories)
            .Where(path => !path.Contains("/obj/", StringComparison.Ordinal))
            .SelectMany(path => Declaration().Matches(File.ReadAllText(path)).Select(m => m.Groups["name"].Value))];
        Assert.That(names, Has.Length.GreaterThan(100), "the pattern finds types");
        // An EventListener is .NET's word for whoever reads an event source.
        Assert.That(names.Where(name => Other().IsMatch(name)), Is.EquivalentTo(new[] { "PhaseListener", "WarningListener" }));
    }

    [GeneratedRegex(@"^(?:public|internal) (?:\w+ )*?(?:record struct|record|class|struct|enum|interface) (?<name>\w+)", RegexOptions.Multiline)]
    private static partial Regex Declaration();

    [GeneratedRegex("Listen|Hear|Scorer|Transcriber")]
    private static partial Regex Other();
}
