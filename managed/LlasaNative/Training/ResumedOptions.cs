using LlasaNative.Data;
using LlasaNative.Models;

namespace LlasaNative.Training;

/// <summary>Whether an option of a resumed run is what it was.</summary>
internal static class ResumedOptions
{
    private static readonly string[] _paths = ["models.policy", "models.codec", "models.recogniser", "data.train"];

    /// <summary>What is different about the content of the data; null when nothing is, or one of the two is not known.</summary>
    public static string? DataDifference(string? old, string? now) => old is null || now is null || old == now
        ? null
        : $"`data.train` held other data (their fingerprint was {old[..12]}, is {now[..12]})";

    /// <summary>Whether two values are the same; paths are when they lead to the same place.</summary>
    /// <param name="key">The option.</param>
    /// <param name="old">Its value in the checkpoint.</param>
    /// <param name="oldDirectory">Where the run was started that wrote it; null when that is not known.</param>
    /// <param name="now">Its value now.</param>
    public static bool AreSame(string key, string old, string? oldDirectory, string now) => old == now
        || (key == "recogniser.language" && IsEnglish(old) && IsEnglish(now))
        || (_paths.Contains(key) && IsLocal(old) && IsLocal(now)
            && RealPath.Of(Path.Combine(oldDirectory ?? Environment.CurrentDirectory, old)) == RealPath.Of(now));

    // Earlier runs wrote `en` for a language that was not given.
    private static bool IsEnglish(string language) => language is "en" or ScoringOptions.NoLanguage;

    private static bool IsLocal(string place) => place.Length > 0 && !RemoteData.IsRemote(place);
}
