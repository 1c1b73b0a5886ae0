namespace LlasaNative.Data;

/// <summary>Paths without links, as <c>realpath -m</c> gives them.</summary>
public static class RealPath
{
    private const int MostLinks = 40;

    /// <summary>The absolute path that a path leads to; what does not exist is taken as it is written.</summary>
    /// <param name="path">Any path.</param>
    public static string Of(string path)
    {
        string full = Path.GetFullPath(path);
        for (int links = 0; links < MostLinks; links++)
        {
            if (FirstLink(full) is not { } next)
            {
                return Path.TrimEndingDirectorySeparator(full);
            }

            full = next;
        }

        return full;
    }

    // The path with its first link replaced by where that leads; null without a link.
    private static string? FirstLink(string full)
    {
        string at = Path.GetPathRoot(full)!;
        string[] parts = full[at.Length..].Split('/', StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i < parts.Length; i++)
        {
            string child = Path.Combine(at, parts[i]);
            string? target;
            try
            {
                target = new FileInfo(child).LinkTarget;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return null;   // cannot be looked at: nor can what is below
            }

            if (target is not null)
            {
                return Path.GetFullPath(Path.Combine([at, target, .. parts[(i + 1)..]]));
            }

            at = child;
        }

        return null;
    }
}
