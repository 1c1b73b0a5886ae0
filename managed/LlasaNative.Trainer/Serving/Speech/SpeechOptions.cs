namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>Everything that decides how the speech server behaves, besides its models.</summary>
internal sealed record SpeechOptions : HttpOptions
{
    public SpeechOptions() => (Port, RequestTimeout) = (8000, TimeSpan.FromMinutes(5));

    public override string TokenVariable => "LLASA_SPEECH_TOKEN";

    /// <summary>Name under which the model is served; empty = that of its directory.</summary>
    public string ModelName { get; init; } = "";

    /// <summary>Folder of reference sounds; empty = none.</summary>
    public string Voices { get; init; } = "";

    /// <summary>Whether clients may add voices to the folder.</summary>
    public bool AllowUpload { get; init; }

    /// <summary>Texts spoken at once.</summary>
    public int Slots { get; init; } = 32;

    /// <summary>Texts that may wait; more are refused.</summary>
    public int QueueCapacity { get; init; } = 256;

    /// <summary>Longest text, in characters.</summary>
    public int MaxCharacters { get; init; } = 4096;

    /// <summary>Longest part that is spoken in one go: longer texts are cut at their sentences.</summary>
    public int PartCharacters { get; init; } = 200;

    /// <summary>Whether the parts of a text without a voice go on in the voice of the one before.</summary>
    public bool CarryVoice { get; init; } = true;

    /// <summary>Longest speech of one text in tokens, where the model has room for so many.</summary>
    public int MaxNewTokens { get; init; } = 1500;

    /// <summary>How sound is cut that is heard while it is drawn.</summary>
    public StreamWindows Windows { get; init; } = new();

    /// <summary>Softmax temperature where a request says none.</summary>
    public double Temperature { get; init; } = 0.8;

    /// <summary>Probability that is drawn from where a request says none.</summary>
    public double TopP { get; init; } = 0.9;

    /// <summary>Tokens that are drawn from where a request says none; 0 = all.</summary>
    public int TopK { get; init; }

    protected override void CheckOwn(Action<bool, string> require)
    {
        require(Slots is >= 1 and <= 4096, $"--slots: {Slots} is not 1 to 4096");
        require(QueueCapacity is >= 1 and <= 1_000_000, $"--queue: {QueueCapacity} is not 1 to 1000000");
        require(MaxCharacters is >= 1 and <= 1_000_000, $"--max-characters: {MaxCharacters} is not 1 to 1000000");
        require(PartCharacters is >= 10 and <= 1_000_000, $"--part-characters: {PartCharacters} is not 10 to 1000000");
        require(MaxNewTokens is >= 1 and <= 100_000, $"--max-new-tokens: {MaxNewTokens} is not 1 to 100000");
        require(Temperature is >= 0 and <= 10, "--temperature is not 0 to 10");
        require(TopP is > 0 and <= 1, "--top-p is not more than 0 and at most 1");
        require(TopK >= 0, "--top-k is less than 0");
        require(!AllowUpload || Voices.Length > 0, "--allow-upload: there is no --voices folder to add to");
    }
}
