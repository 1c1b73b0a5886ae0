using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace LlasaNative.BindingGenerator;

/// <summary>Reads a C header through clang: declarations from its syntax tree, macros from its preprocessor.</summary>
internal static partial class HeaderReader
{
    private const string Prefix = "llasa_";
    private const string MacroPrefix = "LLASA_";

    public static CApi Read(string header, string clang)
    {
        var source = File.ReadAllText(header).Replace("\r\n", "\n", StringComparison.Ordinal);
        var tree = Run(clang, "-Xclang", "-ast-dump=json", "-fsyntax-only", "-fparse-all-comments", "-std=c11", "-x", "c", header);
        using var json = JsonDocument.Parse(tree, new JsonDocumentOptions { MaxDepth = 4096 });

        var structs = new List<CStruct>();
        var records = new Dictionary<string, string>();
        var callbacks = new List<CCallback>();
        var functions = new List<CFunction>();
        foreach (var node in json.RootElement.GetProperty("inner").EnumerateArray())
        {
            if (!node.TryGetProperty("name", out var nameNode) ||
                nameNode.GetString() is not { } name || !name.StartsWith(Prefix, StringComparison.Ordinal))
            {
                continue;
            }

            switch (node.GetProperty("kind").GetString())
            {
                case "RecordDecl" when node.TryGetProperty("completeDefinition", out _):
                    structs.Add(new CStruct(name, Doc(node), Variables(node, "FieldDecl")));
                    break;
                case "RecordDecl":
                    records.TryAdd(name, Doc(node));
                    break;
                case "TypedefDecl" when Spelling(node).Contains("(*)", StringComparison.Ordinal):
                    callbacks.Add(ParseCallback(name, Spelling(node)));
                    break;
                case "TypedefDecl":
                    if (records.TryGetValue(name, out var doc) && doc.Length == 0)
                    {
                        records[name] = Doc(node);
                    }

                    break;
                case "FunctionDecl":
                    var spelling = Spelling(node);
                    var returns = CType.Parse(spelling[..spelling.IndexOf('(', StringComparison.Ordinal)]);
                    functions.Add(new CFunction(name, Doc(node), returns, Variables(node, "ParmVarDecl")));
                    break;
            }
        }

        var handles = records.Where(r => structs.All(s => s.Name != r.Key)).Select(r => new COpaque(r.Key, r.Value));
        return new CApi(Path.GetFileName(header), Fingerprint(source), Constants(clang, header, source),
            [.. handles], structs, callbacks, functions);
    }

    private static string Fingerprint(string source) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(source)))[..16];

    private static List<CVariable> Variables(JsonElement node, string kind) =>
        [.. Children(node).Where(c => c.GetProperty("kind").GetString() == kind)
            .Select(c => new CVariable(c.GetProperty("name").GetString()!, CType.Parse(Spelling(c)), Doc(c)))];

    private static string Spelling(JsonElement node) => node.GetProperty("type").GetProperty("qualType").GetString()!;

    private static JsonElement.ArrayEnumerator Children(JsonElement node) =>
        node.TryGetProperty("inner", out var inner) ? inner.EnumerateArray() : default;

    private static string Doc(JsonElement node)
    {
        var words = new StringBuilder();
        foreach (var comment in Children(node).Where(c => c.GetProperty("kind").GetString() == "FullComment"))
        {
            Gather(comment, words);
        }

        return Whitespace().Replace(words.ToString(), " ").Trim();
    }

    private static void Gather(JsonElement node, StringBuilder words)
    {
        if (node.TryGetProperty("text", out var text))
        {
            words.Append(text.GetString()).Append(' ');
        }

        foreach (var child in Children(node))
        {
            Gather(child, words);
        }
    }

    private static CCallback ParseCallback(string name, string spelling)
    {
        var split = spelling.IndexOf("(*)", StringComparison.Ordinal);
        var arguments = spelling[(split + 3)..].Trim()[1..^1];
        return new CCallback(name, CType.Parse(spelling[..split]), [.. arguments.Split(',').Select(CType.Parse)]);
    }

    /// <summary>Integer macros, in the order of the header; their comments are those at the end of the line.</summary>
    private static List<CConstant> Constants(string clang, string header, string source)
    {
        var values = new Dictionary<string, long>();
        foreach (var line in Run(clang, "-dM", "-E", "-std=c11", "-x", "c", header).Split('\n'))
        {
            var parts = line.Split(' ', 3);
            if (parts.Length == 3 && parts[1].StartsWith(MacroPrefix, StringComparison.Ordinal) &&
                long.TryParse(parts[2].Trim().Trim('(', ')'), NumberStyles.Integer, CultureInfo.InvariantCulture, out var value))
            {
                values.Add(parts[1], value);
            }
        }

        return [.. DefineLine().Matches(source).Where(m => values.ContainsKey(m.Groups["name"].Value)).Select(m =>
            new CConstant(m.Groups["name"].Value, values[m.Groups["name"].Value],
                Whitespace().Replace(m.Groups["doc"].Value, " ").Trim()))];
    }

    private static string Run(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true };
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"cannot start {program}");
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{program} failed with {process.ExitCode}");
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Whitespace();

    [GeneratedRegex(@"^#define[ \t]+(?<name>LLASA_\w+)[ \t]+\S+(?:[ \t]*/\*(?<doc>.*?)\*/)?", RegexOptions.Multiline)]
    private static partial Regex DefineLine();
}
