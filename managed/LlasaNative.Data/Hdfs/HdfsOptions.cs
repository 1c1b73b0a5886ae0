namespace LlasaNative.Hdfs;

/// <summary>Who talks to HDFS, and how patiently.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record HdfsOptions
{
    /// <summary>Name of the user.</summary>
    public string User { get; init; } = Environment.UserName;

    /// <summary>Delegation token, instead of a name; null for none.</summary>
    public string? DelegationToken { get; init; }

    /// <summary>Pause before the first repetition of a request that failed for a passing reason; it doubles each time.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromSeconds(0.5);

    /// <summary>How often a request is tried in all.</summary>
    public int Attempts { get; init; } = 5;

    /// <summary>How long a server may send nothing before the connection counts as broken.</summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Reads <c>HADOOP_USER_NAME</c> and <c>LLASA_WEBHDFS_TOKEN</c>.</summary>
    public static HdfsOptions FromEnvironment()
    {
        return new HdfsOptions { User = Given("HADOOP_USER_NAME") ?? Environment.UserName, DelegationToken = Given("LLASA_WEBHDFS_TOKEN") };

        static string? Given(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
    }
}
