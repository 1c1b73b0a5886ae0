namespace LlasaNative.Data;

/// <summary>How texts become a data set.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record PreparationOptions
{
    /// <summary>Column <c>data_source</c> of every row.</summary>
    public string DataSource { get; init; } = "llasa-native";

    /// <summary>The field that holds the text, for sources with fields.</summary>
    public string TextColumn { get; init; } = "text";

    /// <summary>Share of the rows that go to the test set, from 0 to 1.</summary>
    public double TestRatio { get; init; } = 0.1;

    /// <summary>Chooses which rows go there; the same seed and rows give the same choice.</summary>
    public ulong Seed { get; init; }

    /// <summary>Whether a text that came before is dropped.</summary>
    public bool Deduplicate { get; init; } = true;

    /// <summary>Longest prompt that is kept, in units of <see cref="Length"/>; null for no limit.</summary>
    public int? MaxLength { get; init; }

    /// <summary>Length of a row's prompt. Give the function that training uses; the default counts characters.</summary>
    public Func<VerlRow, int> Length { get; init; } = static row => row.Prompt.Sum(turn => turn.Content.Length);

    /// <summary>Whether entries that cannot be read are dropped and counted; otherwise the first ends the preparation.</summary>
    public bool SkipMalformed { get; init; }

    /// <summary>Is told of every entry that cannot be read and is dropped; may be null.</summary>
    public Action<LlasaException>? OnMalformed { get; init; }

    /// <summary>How the files are written.</summary>
    public ParquetWriteOptions Parquet { get; init; } = ParquetWriteOptions.Default;
}
