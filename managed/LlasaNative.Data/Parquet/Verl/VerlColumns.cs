namespace LlasaNative.Data.Parquet;

/// <summary>The columns that a file in verl's schema may have beside verl's own.</summary>
[Flags]
public enum VerlColumns
{
    /// <summary>None of them.</summary>
    None = 0,

    /// <summary><c>language</c>.</summary>
    Language = 1,

    /// <summary><c>duration</c>.</summary>
    Duration = 2,

    /// <summary><c>codes</c>.</summary>
    Codes = 4,
}
