namespace LlasaNative.Trainer;

/// <summary>Finds the tiny models and sentences that come with the program: <c>assets/tiny</c>.</summary>
internal static class TinyWorld
{
    private const string Variable = "LLASA_TINY_WORLD";

    public static string Policy => Find("policy");

    public static string Codec => Find("xcodec2");

    public static string Recogniser => Find("whisper");

    /// <summary>Path of the sentences of a split: train, validation or test.</summary>
    public static string Sentences(string split) => Find(Path.Combine("sentences", split + ".txt"));

    /// <summary>The same options with empty model directories filled in, and models on the Hub fetched.</summary>
    public static ModelOptions Fill(ModelOptions models) => models with
    {
        Policy = models.Policy.Length > 0 ? Places.Model(models.Policy) : Policy,
        Codec = models.Codec.Length > 0 ? Places.Model(models.Codec) : Codec,
        Recogniser = models.Recogniser.Length > 0 ? Places.Model(models.Recogniser) : Recogniser,
    };

    private static string Find(string name)
    {
        var root = Roots().FirstOrDefault(Directory.Exists)
            ?? throw new UsageException($"the tiny models (assets/tiny) are not beside the program: name model directories, or set {Variable}");
        return Path.Combine(root, name);
    }

    private static IEnumerable<string> Roots()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } root)
        {
            yield return root;
        }

        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            yield return Path.Combine(folder.FullName, "assets", "tiny");
        }
    }
}
