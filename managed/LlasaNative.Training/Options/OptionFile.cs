using System.Globalization;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace LlasaNative.Training;

/// <summary>Reads the values written in a YAML configuration file: sections with scalar values, and scalars outside of sections.</summary>
public static class OptionFile
{
    /// <summary>Reads all values of a file, in order.</summary>
    /// <param name="path">Path of the file.</param>
    /// <returns>One assignment per value; the source names file and line.</returns>
    /// <exception cref="UsageException">The file cannot be read, is not YAML, or is not sections of values.</exception>
    public static IReadOnlyList<OptionAssignment> Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            return Parse(File.ReadAllText(path), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{path}: the configuration cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Reads all values of a text.</summary>
    /// <param name="yaml">The text of a configuration file.</param>
    /// <param name="path">What to call it in messages.</param>
    /// <inheritdoc cref="Read"/>
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

        foreach (var (sectionName, section) in Fields(stream.Documents[0].RootNode, path, "the file"))
        {
            if (section is YamlScalarNode plain)
            {
                // Nothing, or a key without a section; whether there is one of that name is the table's business.
                if (plain is not { Style: ScalarStyle.Plain, Value: null or "" or "~" or "null" or "Null" or "NULL" } && plain.Value is { Length: > 0 } preset)
                {
                    assignments.Add(new OptionAssignment(sectionName, preset, Invariant($"{path}:{section.Start.Line}")));
                }

                continue;
            }

            foreach (var (name, value) in Fields(section, path, $"`{sectionName}`"))
            {
                var key = $"{sectionName}.{name}";
                if (value is YamlScalarNode { Style: ScalarStyle.Plain, Value: null or "" or "~" or "null" or "Null" or "NULL" })
                {
                    continue;   // nothing: the default
                }

                assignments.Add(value is YamlScalarNode scalar
                    ? new OptionAssignment(key, scalar.Value ?? "", Invariant($"{path}:{value.Start.Line}"))
                    : throw new UsageException(Invariant($"{path}:{value.Start.Line}: `{key}` must be a single value")));
            }
        }

        return assignments;
    }

    private static IEnumerable<(string Name, YamlNode Value)> Fields(YamlNode node, string path, string what)
    {
        if (node is not YamlMappingNode mapping)
        {
            throw new UsageException(Invariant($"{path}:{node.Start.Line}: {what} must be a mapping of keys to values"));
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
