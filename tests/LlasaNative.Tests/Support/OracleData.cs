using System.Text.Json;

namespace LlasaNative.Tests.Support;

/// <summary>
/// Finds the oracle cases: every directory of <c>tests/fixtures/FAMILY</c>, and of <c>$LLASA_ORACLE/public/FAMILY</c> when
/// that variable is set. Files too large or not ours to ship lie in <c>$LLASA_ORACLE</c> or <c>../shared/oracle</c> only.
/// </summary>
internal static class OracleData
{
    public static string RepositoryRoot { get; } = FindRoot();

    /// <summary>Directories of all cases of a family that hold the given file, each named once, fixtures first.</summary>
    public static IEnumerable<string> Cases(string family, string file = "case.json")
    {
        List<string> roots = [Path.Combine(RepositoryRoot, "tests", "fixtures", family)];
        if (Environment.GetEnvironmentVariable("LLASA_ORACLE") is { Length: > 0 } shared)
        {
            roots.Add(Path.Combine(shared, "public", family));
            roots.Add(Path.Combine(shared, family));
        }

        return roots.Where(Directory.Exists)
            .SelectMany(root => Directory.GetDirectories(root).Order(StringComparer.Ordinal))
            .Where(directory => File.Exists(Path.Combine(directory, file)));
    }

    /// <summary>A file that stays outside the repository; the test is ignored, with a message, when it is absent.</summary>
    public static string SharedFileOrIgnore(params string[] parts)
    {
        string[] roots =
        [
            Environment.GetEnvironmentVariable("LLASA_ORACLE") ?? string.Empty,
            Path.Combine(RepositoryRoot, "..", "shared", "oracle"),
        ];
        foreach (string root in roots.Where(root => root.Length > 0))
        {
            string path = Path.Combine([root, .. parts]);
            if (File.Exists(path))
            {
                return path;
            }
        }

        Assert.Ignore($"SKIPPED: {Path.Combine(parts)} is neither in $LLASA_ORACLE nor in ../shared/oracle");
        return string.Empty;
    }

    /// <summary>The rows of a .jsonl file.</summary>
    public static IEnumerable<JsonElement> Rows(string path)
    {
        foreach (string line in File.ReadLines(path).Where(line => line.Length > 0))
        {
            using JsonDocument document = JsonDocument.Parse(line);
            yield return document.RootElement.Clone();
        }
    }

    public static JsonElement Manifest(string directory)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(directory, "case.json")));
        return document.RootElement.Clone();
    }

    /// <summary>A number, or one of the strings NaN, Infinity, -Infinity.</summary>
    public static double Number(JsonElement value) => value.ValueKind == JsonValueKind.String
        ? value.GetString() switch
        {
            "NaN" => double.NaN,
            "Infinity" => double.PositiveInfinity,
            "-Infinity" => double.NegativeInfinity,
            string other => throw new FormatException(other),
            null => throw new FormatException("null"),
        }
        : value.GetDouble();

    private static string FindRoot()
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "LlasaNative.sln")))
            {
                return at.FullName;
            }
        }

        throw new InvalidOperationException("The tests run outside their repository.");
    }
}
