namespace LlasaNative.Data;

/// <summary>What was kept and what was dropped, and why.</summary>
/// <param name="Read">Entries of all sources.</param>
/// <param name="Train">Rows of the training set.</param>
/// <param name="Test">Rows of the test set.</param>
/// <param name="Empty">Dropped: nothing but white space.</param>
/// <param name="Duplicate">Dropped: the text came before.</param>
/// <param name="TooLong">Dropped: the prompt is above the limit.</param>
/// <param name="Malformed">Dropped: the entry cannot be read.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record PreparationSummary(long Read, long Train, long Test, long Empty, long Duplicate, long TooLong, long Malformed)
{
    /// <summary>A table with one line for each number.</summary>
    /// <returns>Lines that end in a line feed.</returns>
    public string ToTable()
    {
        (string Name, long Count)[] lines =
        [
            ("read", Read), ("train", Train), ("test", Test), ("dropped: empty", Empty), ("dropped: duplicate", Duplicate),
            ("dropped: too long", TooLong), ("dropped: malformed", Malformed),
        ];
        int width = Math.Max(5, lines.Max(line => line.Count.ToString(CultureInfo.InvariantCulture).Length));
        return string.Concat(lines.Select(line => $"{line.Name,-20}{line.Count.ToString(CultureInfo.InvariantCulture).PadLeft(width)}\n"));
    }
}
