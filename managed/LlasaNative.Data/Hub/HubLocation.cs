namespace LlasaNative.Hub;

/// <summary>A place on the Hugging Face Hub: <c>hf://[datasets/]OWNER/NAME[@REVISION][/PATH]</c>.</summary>
/// <param name="IsDataset">Whether it is a data set; otherwise a model.</param>
/// <param name="Repository">As <c>OWNER/NAME</c>.</param>
/// <param name="Revision">Branch, tag or commit.</param>
/// <param name="Path">A file or directory inside, with slashes, without one at either end; empty for all.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record HubLocation(bool IsDataset, string Repository, string Revision, string Path)
{
    /// <summary>What such a place begins with.</summary>
    public const string Scheme = "hf://";

    /// <summary>Branch that is meant when none is named.</summary>
    public const string DefaultRevision = "main";

    /// <summary>As the Hub's API names the kind: <c>models</c> or <c>datasets</c>.</summary>
    public string Kind => IsDataset ? "datasets" : "models";

    /// <summary>Whether a text names a place on the Hub.</summary>
    /// <param name="text">Any text.</param>
    public static bool IsHub(string text) => text is not null && text.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads such a text.</summary>
    /// <param name="text">A text for which <see cref="IsHub"/> holds.</param>
    /// <exception cref="UsageException">It is malformed.</exception>
    public static HubLocation Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<string> parts = [.. (IsHub(text) ? text[Scheme.Length..] : text).TrimEnd('/').Split('/')];
        bool isDataset = parts[0] == "datasets";
        if (isDataset || parts[0] == "models")
        {
            parts.RemoveAt(0);
        }

        if (parts.Count < 2 || !IsName(parts[0]))
        {
            throw Malformed(text);
        }

        string[] name = parts[1].Split('@', 2);
        // A revision with slashes, such as refs/pr/1, is written with %2F, as elsewhere for the Hub.
        string revision = name.Length == 2 ? Uri.UnescapeDataString(name[1]) : DefaultRevision;
        bool isSound = IsName(name[0]) && revision.Length > 0 && revision.Split('/').All(IsSegment) && parts.Skip(2).All(IsSegment);
        return isSound ? new HubLocation(isDataset, $"{parts[0]}/{name[0]}", revision, string.Join('/', parts.Skip(2))) : throw Malformed(text);
    }

    /// <summary>The place as a user writes it.</summary>
    public override string ToString() =>
        Scheme + (IsDataset ? "datasets/" : "") + Repository
        + (Revision == DefaultRevision ? "" : "@" + Uri.EscapeDataString(Revision)) + (Path.Length > 0 ? "/" + Path : "");

    /// <summary>Whether a path inside a repository stays inside it.</summary>
    internal static bool IsSafe(string path) => path.Length > 0 && path.Split('/').All(IsSegment);

    private static bool IsSegment(string part) =>
        part.Length > 0 && part is not ("." or "..") && !part.Any(c => char.IsControl(c) || c is '\\' or ':');

    private static bool IsName(string part) =>
        part.Length is > 0 and <= 96 && part[0] is not ('-' or '.') && part.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');

    private static UsageException Malformed(string text) =>
        new($"{text}: expected hf://OWNER/NAME[@REVISION][/PATH] or hf://datasets/OWNER/NAME[@REVISION][/PATH]");
}
