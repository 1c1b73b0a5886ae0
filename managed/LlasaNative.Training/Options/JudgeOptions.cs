namespace LlasaNative.Training;

/// <summary>Who says which of two samples is the better, where that is not the reward, and what happens when it cannot be asked.</summary>
[RemovedOption("judge.timeout_seconds", "it is `reward_server.timeout_seconds`")]
[RemovedOption("judge.retries", "it is `reward_server.retries`")]
[RemovedOption("judge.max_not_judged", "it is `reward_server.max_not_scored`")]
public sealed record JudgeOptions : ICheckedOptions
{
    /// <summary>Stands in the prompt for what was to be said.</summary>
    public const string TextPlace = "{text}";

    [Option("Where its OpenAI-compatible API is; empty: the reward judges.", Takes = "URL, such as https://api.openai.com/v1", FreeOnResume = true)]
    public string Url { get; init; } = "";

    [Option("Name of the model that is asked.")]
    public string Model { get; init; } = "";

    [Option("Environment variable that holds the API key; empty: none is sent. The key itself is never written down.", Takes = "name", FreeOnResume = true)]
    public string KeyVariable { get; init; } = "";

    [Option($"What it is asked of the recordings A and B; {TextPlace} stands for what they should say. How it is to answer is added.")]
    public string Prompt { get; init; } =
        $"Recordings A and B both say: \"{TextPlace}\". Which is the better speech? Every word must be there and easy to understand; then melody, stress, pace and pauses should be those of a lively human speaker, the sound free of noise and artefacts.";

    [Option("Requests at once; each pair takes two, one in either order.", AtLeast = 1, AtMost = 256, FreeOnResume = true)]
    public int AtOnce { get; init; } = 4;

    /// <summary>Longest wait for an answer, in seconds.</summary>
    public double TimeoutSeconds { get; init; } = 120;

    /// <summary>Further attempts after an error that may pass.</summary>
    public int Retries { get; init; } = 6;

    /// <summary>Share of the pairs that may go without an answer, by failure or because it says something else.</summary>
    public double MaxNotJudged { get; init; } = 0.1;

    /// <summary>Whether somebody else than the reward judges.</summary>
    public bool Enabled => Url.Length > 0;

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (!Enabled)
        {
            return Model.Length > 0 ? ["`judge.model` is named, but `judge.url` does not say where it is"] : [];
        }

        List<string> faults = Model.Length == 0 ? ["`judge.url` needs the name of a model, `judge.model`"] : [];
        if (!Uri.TryCreate(Url, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
        {
            faults.Add($"`judge.url`: `{Url}` is not a URL such as http://localhost:8000/v1");
        }
        else if (uri.UserInfo.Length > 0 || uri.Query.Length > 0 || uri.Fragment.Length > 0)
        {
            // Options stand in the files of a run: what a URL may hide stands in none.
            faults.Add("`judge.url` must hold no user, password or query: a key is named by `judge.key_variable`");
        }

        return faults;
    }
}
