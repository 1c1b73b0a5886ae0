using LlasaNative.Recognition.Remote;

namespace LlasaNative.Trainer;

/// <summary>Makes who judges pairs in place of the reward.</summary>
internal static class Judges
{
    /// <summary>The judge that options name; null where the reward judges.</summary>
    /// <exception cref="UsageException">The variable that is to hold its key is empty, or holds none.</exception>
    public static ChatJudge? Create(JudgeOptions options)
    {
        if (!options.Enabled)
        {
            return null;
        }

        var key = options.KeyVariable.Length == 0 ? null : Environment.GetEnvironmentVariable(options.KeyVariable)?.Trim();
        return key is { Length: 0 } || (key is null && options.KeyVariable.Length > 0)
            ? throw new UsageException($"judge.key_variable: the environment variable {options.KeyVariable} is not set")
            : new ChatJudge(options, key, WaveFile.Encode);
    }
}
