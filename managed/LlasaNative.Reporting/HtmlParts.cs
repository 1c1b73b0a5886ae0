using LlasaNative.Text;

namespace LlasaNative.Reporting;

/// <summary>What the self-contained pages share: head, style, clips side by side.</summary>
internal static class HtmlParts
{
    public static void Begin(StringBuilder html, string title) => html
        .Append("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>LlasaNative: ")
        .Append(WebUtility.HtmlEncode(title)).Append("</title>\n<style>\n").Append(Resource("demo.css")).Append("</style>\n</head>\n<body>\n<main>\n");

    public static void End(StringBuilder html) => html.Append("</main>\n</body>\n</html>\n");

    /// <summary>Who the second ear is; nothing where there is none.</summary>
    public static string SecondEarNote(string? name) =>
        name is null ? "" : $" The second ear, {WebUtility.HtmlEncode(name)}, listened to the same samples; it rewards nothing, in training either.";

    public static void AppendPairs(StringBuilder html, IEnumerable<DemoPair> pairs, string before, string after)
    {
        html.Append("<div class=\"pairs\">\n");
        foreach (var pair in pairs)
        {
            html.Append("<article><h3>").Append(WebUtility.HtmlEncode(pair.Text)).Append("</h3>\n<div class=\"two\">\n");
            AppendClip(html, "before", before, pair.Text, pair.Before);
            AppendClip(html, "after", after, pair.Text, pair.After);
            html.Append("</div></article>\n");
        }

        html.Append("</div>\n");
    }

    private static void AppendClip(StringBuilder html, string cssClass, string name, string text, DemoClip clip) => html
        .Append(CultureInfo.InvariantCulture, $"<div class=\"clip {cssClass}\"><b>{WebUtility.HtmlEncode(name)}</b> <small>CER {clip.Cer:P0}</small>")
        .Append(CultureInfo.InvariantCulture, $"<audio controls preload=\"metadata\" aria-label=\"{WebUtility.HtmlEncode(name)}: {WebUtility.HtmlEncode(text)}\" src=\"data:audio/wav;base64,").Append(Convert.ToBase64String(clip.Wave)).Append("\"></audio><p>")
        .Append(clip.Transcript.Length == 0 ? "<em>nothing</em>" : CharacterDiff.ToHtml(text, clip.Transcript)).Append("</p>")
        .Append(clip.Second is { } heard ? string.Create(CultureInfo.InvariantCulture, $"<p><small>second ear, CER {heard.Cer:P0}:</small> {(heard.Transcript.Length == 0 ? "<em>nothing</em>" : CharacterDiff.ToHtml(text, heard.Transcript))}</p>") : "")
        .Append("</div>\n");

    /// <summary>Text of a file of the pages.</summary>
    public static string Resource(string name) => EmbeddedText.Read(typeof(HtmlParts).Assembly, "LlasaNative.Reporting.Resources." + name);
}
