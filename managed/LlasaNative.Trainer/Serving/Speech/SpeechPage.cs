using Microsoft.AspNetCore.Http;

namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>The page at <c>/</c>: a text, a voice, and the sound; its files come from this program alone.</summary>
internal static class SpeechPage
{
    // As the dashboard's, with the sounds that the page makes of what it was sent.
    private static readonly string _policy = DashboardPage.ContentSecurityPolicy.Replace("media-src 'self'", "media-src blob:", StringComparison.Ordinal);

    /// <summary>Adds its routes, which need no token: the page asks for one.</summary>
    public static void Add(HttpHost host)
    {
        Add(host, "/", "text/html", Read("page.html"));
        Add(host, "/speech.js", "text/javascript", Read("speech.js"));
        Add(host, "/speech.css", "text/css", Read("speech.css"));
        Add(host, "/dashboard.css", "text/css", DashboardPage.ReadAsset("dashboard.css"));
    }

    private static void Add(HttpHost host, string path, string type, string text)
    {
        var body = Encoding.UTF8.GetBytes(text);
        host.Get(path, context =>
        {
            var headers = context.Response.Headers;
            headers.ContentSecurityPolicy = _policy;
            headers.XContentTypeOptions = "nosniff";
            headers["Referrer-Policy"] = "no-referrer";
            headers.CacheControl = "no-cache";
            return ServerPipeline.WriteAsync(context, type + "; charset=utf-8", body);
        }, open: true);
    }

    private static string Read(string name) => EmbeddedText.Read(typeof(SpeechPage).Assembly, "LlasaNative.Trainer.speech." + name);
}
