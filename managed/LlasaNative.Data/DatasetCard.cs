using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace LlasaNative.Data;

/// <summary>
/// What the <c>README.md</c> of a data set says about its files: the <c>data_files</c> of its default configuration, as Hugging
/// Face <c>datasets</c> reads them.
/// </summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
/// <param name="folder">Of the configuration, with a slash at the end; empty for all.</param>
/// <param name="patterns">What the files of each split are called; none where their names say it.</param>
internal sealed class DatasetCard(string folder, List<(string Split, Regex Pattern)> patterns)
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "README.md";

    /// <summary>Reads a card.</summary>
    /// <param name="place">The data set, for messages.</param>
    /// <param name="text">Content of its <c>README.md</c>.</param>
    /// <returns>Null when it does not say which files there are.</returns>
    /// <exception cref="UsageException">It has several configurations, and none of them or more than one is the default.</exception>
    public static DatasetCard? Read(string place, string text)
    {
        if (FrontMatter(text) is not YamlMappingNode root || Child(root, "configs") is not YamlSequenceNode { Children.Count: > 0 } list)
        {
            return null;
        }

        YamlMappingNode[] configs = [.. list.Children.OfType<YamlMappingNode>()];
        string[] names = [.. configs.Select(config => Text(Child(config, "config_name")) ?? "default")];
        YamlMappingNode[] chosen = [.. configs.Where((config, i) => configs.Length == 1 || names[i] == "default" || Text(Child(config, "default")) is "true" or "True")];
        if (chosen.Length != 1)
        {
            throw new UsageException(
                $"{place}: its {FileName} lists the configurations {string.Join(", ", names.Select(name => $"`{name}`"))}, "
                + (chosen.Length == 0 ? "none of them the default" : "several of them the default") + "; name the file or folder of one");
        }

        string folder = Text(Child(chosen[0], "data_dir"))?.Trim('/') is { Length: > 0 } name ? Plain(name) + "/" : "";
        List<(string, Regex)> patterns = [.. Patterns(Child(chosen[0], "data_files")).Select(p => (p.Split, Glob(folder + Plain(p.Pattern))))];
        return folder.Length > 0 || patterns.Count > 0 ? new DatasetCard(folder, patterns) : null;
    }

    /// <summary>The splits of those files that belong to the data; a file of a split that is none of ours has none.</summary>
    /// <param name="names">Paths below the directory, with slashes.</param>
    public IReadOnlyDictionary<string, DataSplit[]> Of(IEnumerable<string> names)
    {
        if (patterns.Count == 0)
        {
            string[] inside = [.. names.Where(name => name.StartsWith(folder, StringComparison.Ordinal)).Select(name => name[folder.Length..])];
            return SplitNames.Of(inside).ToDictionary(pair => folder + pair.Key, pair => pair.Value);
        }

        Dictionary<string, DataSplit[]> found = [];
        foreach (string name in names)
        {
            string[] splits = [.. patterns.Where(p => p.Pattern.IsMatch(name)).Select(p => p.Split)];
            if (splits.Length > 0)
            {
                found[name] = [.. splits.SelectMany(SplitNames.InName).Distinct()];
            }
        }

        return found;
    }

    private static YamlNode? FrontMatter(string text)
    {
        using StringReader lines = new(text.TrimStart('\uFEFF'));
        if (lines.ReadLine()?.TrimEnd() != "---")
        {
            return null;
        }

        StringBuilder yaml = new();
        for (string? line; (line = lines.ReadLine()) is not null;)
        {
            if (line.TrimEnd() != "---")
            {
                yaml.AppendLine(line);
                continue;
            }

            try
            {
                YamlStream stream = new();
                stream.Load(new StringReader(yaml.ToString()));
                return stream.Documents.Count > 0 ? stream.Documents[0].RootNode : null;
            }
            catch (YamlException)
            {
                return null;   // a text that begins with a line, not a card
            }
        }

        return null;
    }

    /// <summary><c>data_files</c>: a pattern, a list of them, a list of splits with theirs, or a map of splits to theirs.</summary>
    private static IEnumerable<(string Split, string Pattern)> Patterns(YamlNode? files) => files switch
    {
        YamlMappingNode map => map.Children.SelectMany(pair => Texts(pair.Value).Select(pattern => (Text(pair.Key) ?? "", pattern))),
        YamlSequenceNode list when list.Children.Any(item => item is YamlMappingNode) => list.Children.OfType<YamlMappingNode>()
            .SelectMany(item => Texts(Child(item, "path")).Select(pattern => (Text(Child(item, "split")) ?? "train", pattern))),
        _ => Texts(files).Select(pattern => ("train", pattern)),
    };

    private static IEnumerable<string> Texts(YamlNode? node) =>
        node is YamlSequenceNode list ? list.Children.Select(Text).OfType<string>() : Text(node) is { } text ? [text] : [];

    private static YamlNode? Child(YamlMappingNode map, string name) => map.Children.TryGetValue(new YamlScalarNode(name), out YamlNode? child) ? child : null;

    private static string? Text(YamlNode? node) => (node as YamlScalarNode)?.Value;

    private static string Plain(string path) => path.StartsWith("./", StringComparison.Ordinal) ? path[2..] : path;

    /// <summary>fsspec's patterns: <c>**</c> for any folders, <c>*</c>, <c>?</c> and <c>[…]</c> within a name.</summary>
    private static Regex Glob(string pattern)
    {
        StringBuilder regex = new("^");
        for (int at = 0; at < pattern.Length; at++)
        {
            int close = pattern[at] == '[' ? pattern.IndexOf(']', at + 2 < pattern.Length ? at + 2 : at) : -1;
            if (pattern.AsSpan(at).StartsWith("**/"))
            {
                regex.Append("(?:.*/)?");
                at += 2;
            }
            else if (pattern.AsSpan(at).StartsWith("**"))
            {
                regex.Append(".*");
                at++;
            }
            else if (close > 0)
            {
                string inside = pattern[(at + 1)..close].Replace("\\", "\\\\", StringComparison.Ordinal).Replace("[", "\\[", StringComparison.Ordinal);
                regex.Append('[').Append(inside[0] == '!' ? "^/" + inside[1..] : inside).Append(']');
                at = close;
            }
            else
            {
                regex.Append(pattern[at] switch { '*' => "[^/]*", '?' => "[^/]", var c => Regex.Escape(c.ToString()) });
            }
        }

        return new Regex(regex.Append('$').ToString(), RegexOptions.CultureInvariant | RegexOptions.Singleline);
    }
}
