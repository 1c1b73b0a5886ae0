namespace LlasaNative.Data;

/// <summary>What happens to a row of a data file that is malformed or does not fit the models.</summary>
public enum RowFaults
{
    /// <summary>It ends the work, with an error that names its place.</summary>
    Refuse,

    /// <summary>It is left out and reported.</summary>
    Skip,
}
