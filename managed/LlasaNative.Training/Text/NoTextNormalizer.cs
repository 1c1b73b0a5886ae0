namespace LlasaNative.Text;

/// <summary>Leaves every text as it is.</summary>
/// <remarks><b>Threads:</b> immutable, any thread.</remarks>
public sealed class NoTextNormalizer : ITextNormalizer
{
    /// <inheritdoc/>
    public string Normalize(string text) => text;
}
