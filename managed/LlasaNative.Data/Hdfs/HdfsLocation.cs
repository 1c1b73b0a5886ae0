namespace LlasaNative.Hdfs;

/// <summary>A file or directory on HDFS, reached through WebHDFS or HttpFS.</summary>
/// <param name="Text">As the user wrote it.</param>
/// <param name="Endpoint">Scheme, host and port of the HTTP service.</param>
/// <param name="Path">Absolute path on HDFS, without a slash at the end.</param>
/// <remarks>
/// <c>webhdfs://HOST:PORT/PATH</c> and <c>swebhdfs://…</c> (TLS) name the HTTP port, as for Hadoop's own tools.
/// <c>hdfs://HOST[:PORT]/PATH</c> names the port of another protocol: the service is then <c>LLASA_WEBHDFS</c> (an http or
/// https address), or port 9870 of HOST. <b>Threads:</b> immutable.
/// </remarks>
public sealed record HdfsLocation(string Text, string Endpoint, string Path)
{
    private const int NameNodePort = 9870;
    private static readonly string[] _schemes = ["hdfs://", "webhdfs://", "swebhdfs://"];

    /// <summary>Whether a text names a place on HDFS.</summary>
    /// <param name="text">Any text.</param>
    public static bool IsHdfs(string text) => text is not null && _schemes.Any(scheme => text.StartsWith(scheme, StringComparison.OrdinalIgnoreCase));

    /// <summary>Reads such a text.</summary>
    /// <param name="text">A text for which <see cref="IsHdfs"/> holds.</param>
    /// <param name="read">Value of an environment variable; null for those of this process.</param>
    /// <exception cref="UsageException">It is malformed, or names no host and <c>LLASA_WEBHDFS</c> is not set.</exception>
    public static HdfsLocation Parse(string text, Func<string, string?>? read = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        int start = text.IndexOf("://", StringComparison.Ordinal) + 3;
        int slash = text.IndexOf('/', start);
        string authority = slash < 0 ? text[start..] : text[start..slash];
        string path = slash < 0 ? "" : text[slash..].TrimEnd('/');
        if (path.Split('/').Skip(1).Any(part => part is "" or "." or ".."))
        {
            throw new UsageException($"{text}: expected hdfs://HOST/PATH or webhdfs://HOST:PORT/PATH without empty, . or .. parts");
        }

        string scheme = text[..start].ToLowerInvariant();
        string? given = scheme == "hdfs://" ? (read ?? Environment.GetEnvironmentVariable)("LLASA_WEBHDFS") : null;
        string endpoint = given is { Length: > 0 } ? given.TrimEnd('/')
            : scheme == "hdfs://" ? $"http://{authority.Split(':')[0]}:{NameNodePort}"
            : (scheme == "swebhdfs://" ? "https://" : "http://") + authority;
        bool hasHost = given is { Length: > 0 } || authority.Length > 0;
        return hasHost && Uri.TryCreate(endpoint, UriKind.Absolute, out Uri? address) && address.Scheme is "http" or "https"
            && address.UserInfo.Length == 0
            ? new HdfsLocation(text, endpoint, path.Length == 0 ? "/" : path)
            : throw new UsageException($"{text}: no host to ask: name one, or set LLASA_WEBHDFS to the address of WebHDFS");
    }

    /// <summary>A place below this one.</summary>
    /// <param name="name">Name of a file.</param>
    public HdfsLocation Child(string name) => this with { Text = $"{Text.TrimEnd('/')}/{name}", Path = $"{Path.TrimEnd('/')}/{name}" };

    /// <inheritdoc/>
    public override string ToString() => Text;
}
