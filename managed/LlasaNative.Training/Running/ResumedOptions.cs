using LlasaNative.Extensions;

namespace LlasaNative.Training;

/// <summary>What about the options of a resumed run is not what it was.</summary>
internal static class ResumedOptions
{
    /// <summary>Every option that must be the same and is not; paths are the same when they lead to the same place.</summary>
    /// <param name="now">The options of this run.</param>
    /// <param name="was">Their values in the checkpoint.</param>
    /// <param name="directory">Where the run was started that wrote it; null when that is not known.</param>
    public static IEnumerable<string> Differences(object now, IReadOnlyDictionary<string, string> was, string? directory)
    {
        var entries = OptionTree.Entries(now);
        HashSet<string> values = [.. entries.Select(e => $"{e.Key}={e.Value}")];
        foreach (var entry in entries.Where(e => !e.FreeOnResume && !(e.Declared.FreeOnResumeWhen is { } when && values.Contains(when))))
        {
            if (Old(entry.Key, was) is { } old && old != entry.Value && !AreSame(entry, old, directory))
            {
                yield return $"`{entry.Key}` was {old}, is {entry.Value}";
            }
        }

        foreach (var removed in OptionTree.Removed(now).Where(r => r.Always is not null && was.GetValueOrDefault(r.Key, r.Always) != r.Always))
        {
            yield return $"`{removed.Key}` was {was[removed.Key]}, and is no option any more: {removed.Instead}";
        }
    }

    /// <summary>What a checkpoint says of an option, also where the version that wrote it said so with others.</summary>
    private static string? Old(string key, IReadOnlyDictionary<string, string> was) => (key, was.GetValueOrDefault(key)) switch
    {
        ("lora.rank", _) when was.GetValueOrDefault("lora.enabled") == "false" => "0",
        ("optimiser.recompute", "false") when was.GetValueOrDefault("optimiser.recompute_mlp") == "true" => "mlp",
        ("optimiser.schedule", ("cosine" or "linear") and var shape) when was.TryGetValue("optimiser.final_ratio", out var ratio) =>
            $"{shape}(final_ratio={ratio},decay_steps={was.GetValueOrDefault("optimiser.decay_steps", "0")})",
        (_, var old) => old,
    };

    /// <summary>What is different about the content of the data; null when nothing is, or one of the two is not known.</summary>
    public static string? DataDifference(string? old, string? now) => old is null || now is null || old == now
        ? null
        : $"`data.train` held other data (their fingerprint was {old[..12]}, is {now[..12]})";

    private static bool AreSame(OptionEntry entry, string old, string? directory) =>
        (entry.Declared.IsPath && LeadToTheSame(old, entry.Value, directory))
        || (entry.Key == "recogniser.language" && IsEnglish(old) && IsEnglish(entry.Value))
        || (entry.Key == "optimiser.schedule" && !IsOwn(old) && !IsOwn(entry.Value) && Falls(old).Equals(Falls(entry.Value)));

    private static bool LeadToTheSame(string old, string now, string? directory) =>
        IsLocal(old) && IsLocal(now) && RealPath.Of(Path.Combine(directory ?? Environment.CurrentDirectory, old)) == RealPath.Of(now);

    // Schedules that come with the program are the same when their options are, in whatever order they were written.
    private static ISchedule Falls(string schedule) => Catalogue<ISchedule>.Create(schedule);

    private static bool IsOwn(string schedule) => schedule.Contains(':', StringComparison.Ordinal);

    // Earlier runs wrote `en` for a language that was not given.
    private static bool IsEnglish(string language) => language is "en" or ScoringOptions.NoLanguage;

    private static bool IsLocal(string place) => place.Length > 0 && !place.Contains("://", StringComparison.Ordinal);
}
