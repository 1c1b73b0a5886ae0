namespace LlasaNative.Text;

/// <summary>Cuts text into the pieces that are encoded one by one; the pieces cover the text without gaps.</summary>
/// <remarks>Stateless; any thread.</remarks>
internal abstract class PieceScanner
{
    /// <summary>Appends the end index of every piece, in order.</summary>
    /// <param name="text">Not empty.</param>
    /// <param name="offset">Added to every index.</param>
    /// <param name="ends">Receives the indices; the last is the end of the text.</param>
    public abstract void Split(ReadOnlySpan<char> text, int offset, List<int> ends);

    /// <summary>
    /// End of a run of white space that starts at an index, as <c>\s+(?!\S)|\s+</c> sees it: the last space of a run is
    /// left for the word that follows.
    /// </summary>
    protected static int EndOfSpaces(int start, int runEnd, int textEnd) =>
        runEnd == textEnd || runEnd - start == 1 ? runEnd : runEnd - 1;
}
