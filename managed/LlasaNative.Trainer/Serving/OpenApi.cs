namespace LlasaNative.Trainer.Serving;

/// <summary>The server's OpenAPI document.</summary>
internal static class OpenApi
{
    /// <summary>The document as JSON; a test keeps it in step with the endpoints and bodies.</summary>
    public static string Document { get; } = Read();

    private static string Read()
    {
        using var stream = typeof(OpenApi).Assembly.GetManifestResourceStream("LlasaNative.Trainer.openapi.json")!;
        using StreamReader reader = new(stream);
        return reader.ReadToEnd();
    }
}
