namespace LlasaNative.Hub;

/// <summary>Which Hub is talked to, with which token, and where its files are kept.</summary>
/// <remarks>
/// The variables are those of the Hub's own clients: <c>HF_ENDPOINT</c>, <c>HF_TOKEN</c>, <c>HF_TOKEN_PATH</c>, <c>HF_HOME</c>,
/// <c>HF_HUB_CACHE</c>, <c>HF_HUB_OFFLINE</c>. <b>Threads:</b> immutable.
/// </remarks>
public sealed record HubOptions
{
    /// <summary>The public Hub.</summary>
    public const string DefaultEndpoint = "https://huggingface.co";

    /// <summary>Address of the Hub, without a slash at the end.</summary>
    public string Endpoint { get; init; } = DefaultEndpoint;

    /// <summary>Directory of the cache, in the layout that the Hub's own clients share.</summary>
    public required string CacheDirectory { get; init; }

    /// <summary>Who asks; null for nobody in particular. It is sent to <see cref="Endpoint"/> only.</summary>
    public string? Token { get; init; }

    /// <summary>Whether only the cache may be used.</summary>
    public bool Offline { get; init; }

    /// <summary>Told in one line what is being fetched or used instead; may be null.</summary>
    public Action<string>? OnNote { get; init; }

    /// <summary>Pause before the first repetition of a request that failed for a passing reason; it doubles each time.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromSeconds(0.5);

    /// <summary>How often a request is tried in all.</summary>
    public int Attempts { get; init; } = 5;

    /// <summary>How long a server may send nothing before the connection counts as broken.</summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Reads the variables of this process.</summary>
    /// <exception cref="UsageException">A variable holds nonsense.</exception>
    public static HubOptions FromEnvironment() => FromEnvironment(Environment.GetEnvironmentVariable);

    /// <summary>Reads the variables.</summary>
    /// <param name="read">Value of a variable; null when it is not set.</param>
    /// <exception cref="UsageException">A variable holds nonsense.</exception>
    public static HubOptions FromEnvironment(Func<string, string?> read)
    {
        ArgumentNullException.ThrowIfNull(read);
        string user = read("HOME") ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        string home = Given("HF_HOME") ?? Path.Combine(Given("XDG_CACHE_HOME") ?? Path.Combine(user, ".cache"), "huggingface");
        string endpoint = (Given("HF_ENDPOINT") ?? DefaultEndpoint).TrimEnd('/');
        UsageException.ThrowIf(!Uri.TryCreate(endpoint, UriKind.Absolute, out Uri? address) || address.Scheme is not ("http" or "https"),
            $"HF_ENDPOINT: `{endpoint}` is no http or https address");
        return new HubOptions
        {
            Endpoint = endpoint,
            CacheDirectory = Expand(Given("HF_HUB_CACHE") ?? Given("HUGGINGFACE_HUB_CACHE") ?? Path.Combine(home, "hub"), user),
            Token = Given("HF_TOKEN")?.Trim() ?? TokenOf(Expand(Given("HF_TOKEN_PATH") ?? Path.Combine(home, "token"), user)),
            Offline = Given("HF_HUB_OFFLINE")?.ToUpperInvariant() is "1" or "ON" or "YES" or "TRUE",
        };

        string? Given(string name) => read(name) is { Length: > 0 } value ? value : null;
    }

    internal Http.RequestPolicy Policy => new(Token, RetryDelay, Attempts, Silence);

    private static string Expand(string path, string user) =>
        path == "~" || path.StartsWith("~/", StringComparison.Ordinal) ? user + path[1..] : path;

    private static string? TokenOf(string path)
    {
        try
        {
            return File.Exists(path) && File.ReadAllText(path).Trim() is { Length: > 0 } token ? token : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{path}: the token cannot be read: {e.Message}", e);
        }
    }
}
