namespace LlasaNative.Trainer;

/// <summary>Finds the policy that somebody means who names a policy's directory, a run, a demo or a checkpoint.</summary>
internal static class PolicyLocation
{
    /// <summary>Directory of the policy: the named one, its <c>policy</c>, or its newest complete checkpoint.</summary>
    /// <exception cref="UsageException">There is none.</exception>
    public static string Find(string path)
    {
        if (!Directory.Exists(path))
        {
            throw new UsageException($"{path}: there is no such directory");
        }

        string[] candidates = [path, Path.Combine(path, "policy")];
        var checkpoints = Path.Combine(path, "checkpoints");
        return Array.Find(candidates, candidate => File.Exists(Path.Combine(candidate, "config.json"))) is { } found ? found
            : Directory.Exists(checkpoints) && new CheckpointStore(checkpoints).FindLatest() is { } newest
            ? newest.Path
            : throw new UsageException($"{path}: holds neither a policy (config.json), nor policy/, nor a complete checkpoint in checkpoints/");
    }

    /// <summary>Short names of two paths, different ones.</summary>
    public static (string First, string Second) Name(string first, string second)
    {
        var (a, b) = (Name(first), Name(second));
        return a == b ? (a + " (A)", b + " (B)") : (a, b);
    }

    /// <summary>Short name of a policy's path.</summary>
    public static string Name(string path)
    {
        var parts = Path.GetFullPath(path).Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries);
        return parts.Length > 1 && parts[^1] == "policy" ? parts[^2] : parts.Length > 0 ? parts[^1] : path;
    }
}
