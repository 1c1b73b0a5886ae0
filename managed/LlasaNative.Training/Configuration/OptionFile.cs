using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace LlasaNative.Configuration;

/// <summary>Reads the values written in a YAML configuration file: values, by key, in sections or outside of them.</summary>
public static class OptionFile
{
    /// <summary>The key that names a file whose values hold where the one that names it says nothing, relative to that one.</summary>
    public const string BaseKey = "base";

    private const int DeepestSection = 8;   // also ends an anchor that holds itself
    private const int DeepestBase = 8;

    /// <summary>Reads all values of a file, in order, those of the file it is based on first.</summary>
    /// <param name="path">Path of the file.</param>
    /// <returns>One assignment per value; the source names file and line.</returns>
    /// <exception cref="UsageException">The file cannot be read, is not YAML, is not sections of values, or is based on itself.</exception>
    public static IReadOnlyList<OptionAssignment> Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Read(path, DeepestBase);
    }

    private static OptionAssignment[] Read(string path, int depth)
    {
        IReadOnlyList<OptionAssignment> written;
        try
        {
            written = Parse(File.ReadAllText(path, new UTF8Encoding(false, throwOnInvalidBytes: true)), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{path}: the configuration cannot be read: {e.Message}", e);
        }
        catch (DecoderFallbackException e)
        {
            throw new UsageException($"{path}: not valid UTF-8", e);
        }

        if (written.FirstOrDefault(a => a.Key == BaseKey) is not { } named)
        {
            return [.. written];
        }

        if (depth == 0)
        {
            throw new UsageException($"{named.Source}: `{BaseKey}`: more than {DeepestBase} files, each based on the next");
        }

        var based = Read(Path.Combine(Path.GetDirectoryName(path) ?? "", named.Value), depth - 1);
        return [.. based, .. written.Where(a => a != named)];
    }

    /// <summary>Reads all values of a text.</summary>
    /// <param name="yaml">The text of a configuration file.</param>
    /// <param name="path">What to call it in messages.</param>
    /// <inheritdoc cref="Read(string)"/>
    public static IReadOnlyList<OptionAssignment> Parse(string yaml, string path)
    {
        YamlStream stream = new();
        try
        {
            stream.Load(new StringReader(yaml));
        }
        catch (YamlException e)
        {
            throw new UsageException(Invariant($"{path}:{e.Start.Line}: not valid YAML: {e.Message.ReplaceLineEndings(" ")}"), e);
        }

        List<OptionAssignment> assignments = [];
        if (stream.Documents.Count == 0)
        {
            return assignments;
        }

        if (stream.Documents.Count > 1)
        {
            throw new UsageException(Invariant($"{path}:{stream.Documents[1].RootNode.Start.Line}: a second document begins here, expected one"));
        }

        Collect(stream.Documents[0].RootNode, "");
        return assignments;

        void Collect(YamlNode mapping, string prefix)
        {
            if (prefix.Count(c => c == '.') > DeepestSection)
            {
                throw new UsageException(Invariant($"{path}:{mapping.Start.Line}: `{prefix[..^1]}`: sections are not nested so deep"));
            }

            foreach (var (name, value) in Fields(mapping, path, prefix.Length == 0 ? "the file" : $"`{prefix[..^1]}`"))
            {
                if (value is not YamlScalarNode scalar)
                {
                    Collect(value, $"{prefix}{name}.");
                }
                else if (scalar is not { Style: ScalarStyle.Plain, Value: null or "" or "~" or "null" or "Null" or "NULL" })   // nothing: the default
                {
                    assignments.Add(new OptionAssignment(prefix + name, scalar.Value ?? "", Invariant($"{path}:{value.Start.Line}")));
                }
            }
        }
    }

    private static IEnumerable<(string Name, YamlNode Value)> Fields(YamlNode node, string path, string what)
    {
        if (node is not YamlMappingNode mapping)
        {
            throw new UsageException(Invariant($"{path}:{node.Start.Line}: {what} must be a single value or a mapping of keys to values"));
        }

        foreach (var (key, value) in mapping.Children)
        {
            yield return key is YamlScalarNode { Value: { } name }
                ? (name, value)
                : throw new UsageException(Invariant($"{path}:{key.Start.Line}: a key of {what} is not a plain name"));
        }
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
