namespace LlasaNative.Reporting.Rating;

/// <summary>The page on which people listen and choose: its files for a server; it loads nothing else.</summary>
public static class RatingPage
{
    /// <summary>Names of the files beside the page.</summary>
    public static IReadOnlyList<string> Assets { get; } = ["dashboard.css", "rate.css", "rate.js"];

    /// <summary>The page.</summary>
    public static string ToHtml() => HtmlParts.Resource("rate.html");

    /// <summary>Text of a file beside the page.</summary>
    /// <param name="name">One of <see cref="Assets"/>.</param>
    public static string ReadAsset(string name) => Assets.Contains(name) ? HtmlParts.Resource(name) : throw new ArgumentException($"`{name}` is not a file of the page", nameof(name));
}
