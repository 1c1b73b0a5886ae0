using LlasaNative.Data;

namespace LlasaNative.Training;

/// <summary>Which texts are spoken, and in which order.</summary>
public sealed record DataOptions
{
    /// <summary>File or directory of training texts (.txt, .jsonl, .csv, .parquet); empty = the sentences that come with the program.</summary>
    public string Train { get; init; } = "";

    /// <summary>File of held-out texts for evaluation during training; empty = the validation sentences that come with the program.</summary>
    public string Evaluation { get; init; } = "";

    /// <summary>Field that holds the text, for files with fields.</summary>
    public string TextField { get; init; } = "text";

    /// <summary>What happens to rows that hold no text or are too long for the models.</summary>
    public RowFaults FaultyRows { get; init; } = RowFaults.Refuse;

    /// <summary>Longest prompt in tokens; 0 = what the model has room for.</summary>
    public int MaxPromptTokens { get; init; }

    /// <summary>Use only the first so many training texts; 0 = all.</summary>
    public int Limit { get; init; }

    /// <summary>Whether each epoch goes through the texts in another order.</summary>
    public bool Shuffle { get; init; } = true;
}
