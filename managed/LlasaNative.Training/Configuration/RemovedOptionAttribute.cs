namespace LlasaNative.Configuration;

/// <summary>Declares, on the record that held it, an option that is no more, so that whoever sets it is told what to do now.</summary>
/// <param name="key">The whole key.</param>
/// <param name="instead">What replaces it, in words that follow "is no option any more: ".</param>
/// <param name="always">The value that every run has now: a checkpoint made with another cannot be resumed. Null when a key that is left says the same.</param>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true)]
public sealed class RemovedOptionAttribute(string key, string instead, string? always = null) : Attribute
{
    /// <summary>The whole key.</summary>
    public string Key => key;

    /// <summary>What replaces it.</summary>
    public string Instead => instead;

    /// <summary>The value that every run has now.</summary>
    public string? Always => always;

    /// <summary>What verl calls it; null where it has no such option.</summary>
    public string? Verl { get; init; }
}
