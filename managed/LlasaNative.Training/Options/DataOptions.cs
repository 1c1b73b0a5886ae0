namespace LlasaNative.Training;

/// <summary>Which texts are spoken, and in which order.</summary>
public sealed record DataOptions
{
    [Option("Training texts; empty: the training sentences that come with the program.", Takes = "file", IsPath = true, Verl = "data.train_files")]
    public string Train { get; init; } = "";

    [Option("Held-out texts; empty: the validation sentences that come with the program.", Takes = "file", IsPath = true, FreeOnResume = true, Verl = "data.val_files")]
    public string Evaluation { get; init; } = "";

    [Option("Field that holds the text, for files with fields.", Takes = "name", Verl = "data.prompt_key")]
    public string TextField { get; init; } = "text";

    [Option("Voices of which each group's text is said in one, drawn by the seed: a folder of sounds with a .txt beside each (else they are transcribed), or a file of `llasa encode`. A text that names its own `voice` keeps it. Empty: any voice; `sft` takes those of its rows alone.", Takes = "folder", IsPath = true)]
    public string Voices { get; init; } = "";

    [Option("Rows that hold no text or are too long for the models: refuse the file, or skip and report them.", Verl = "data.filter_overlong_prompts")]
    public RowFaults FaultyRows { get; init; } = RowFaults.Refuse;

    [Option("Longest prompt, instructions included; 0: what the model has room for.", AtLeast = 0, Unit = "tokens", Verl = "data.max_prompt_length")]
    public int MaxPromptTokens { get; init; }

    [Option("Use only the first so many texts; 0: all.", AtLeast = 0, Verl = "data.train_max_samples")]
    public int Limit { get; init; }

    [Option("Go through the texts in another order each epoch.", Verl = "data.shuffle")]
    public bool Shuffle { get; init; } = true;
}
