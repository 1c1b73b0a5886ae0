namespace LlasaNative.Data;

/// <summary>Splits as the names of files say them, by the rules of Hugging Face <c>datasets</c> (<c>data_files.py</c>).</summary>
/// <remarks>
/// The first of these that says anything about any file decides for all of them: shards <c>data/NAME-00000-of-00001</c>; folders
/// with a keyword in their name; file names with one. A keyword stands at the start of a name or after a delimiter, and before
/// a delimiter or the end. Unlike there, upper and lower case are the same: <c>Test.csv</c> is no training data.
/// <b>Threads:</b> any.
/// </remarks>
internal static class SplitNames
{
    private static readonly (DataSplit Split, string[] Words)[] _keywords =
    [
        (DataSplit.Train, ["train", "training"]),
        (DataSplit.Validation, ["validation", "valid", "dev", "val"]),
        (DataSplit.Test, ["test", "testing", "eval", "evaluation"]),
    ];

    /// <summary>The splits of each file; all empty when the names say nothing.</summary>
    /// <param name="names">Paths below the directory, with slashes.</param>
    public static IReadOnlyDictionary<string, DataSplit[]> Of(IReadOnlyCollection<string> names)
    {
        Func<string, DataSplit[]>[] rules =
        [
            name => IsShard(name) ? InName(FileName(name)) : [],
            name => [.. name.Split('/')[..^1].SelectMany(InName).Distinct()],
            name => InName(FileName(name)),
        ];
        Dictionary<string, DataSplit[]> found = [];
        foreach (Func<string, DataSplit[]> rule in rules)
        {
            found = names.ToDictionary(name => name, rule);
            if (found.Values.Any(splits => splits.Length > 0))
            {
                break;
            }
        }

        return found;
    }

    private static string FileName(string name) => name[(name.LastIndexOf('/') + 1)..];

    // data/SPLIT-00000-of-00001….ENDING
    private static bool IsShard(string name)
    {
        string[] parts = name.Split('/');
        int of = parts[^1].IndexOf("-of-", StringComparison.Ordinal);
        return parts is ["data", _] && of > 6 && parts[^1].Length >= of + 9
            && parts[^1][of - 6] == '-' && parts[^1][(of - 5)..of].All(char.IsAsciiDigit) && parts[^1][(of + 4)..(of + 9)].All(char.IsAsciiDigit);
    }

    /// <summary>The splits that a name says; empty when it says none.</summary>
    public static DataSplit[] InName(string name) =>
        [.. _keywords.Where(k => k.Words.Any(word => Holds(name, word))).Select(k => k.Split)];

    private static bool Holds(string name, string word)
    {
        for (int at = 0; (at = name.IndexOf(word, at, StringComparison.OrdinalIgnoreCase)) >= 0; at++)
        {
            if ((at == 0 || IsDelimiter(name[at - 1])) && (at + word.Length == name.Length || IsDelimiter(name[at + word.Length])))
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsDelimiter(char c) => c is '-' or '.' or '_' or ' ' || char.IsAsciiDigit(c);
}
