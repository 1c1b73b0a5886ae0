namespace LlasaNative.Text;

/// <summary>Brings texts into a form in which only differences that can be heard remain.</summary>
public interface ITextNormalizer
{
    /// <summary>Normalises a text.</summary>
    /// <param name="text">Any text.</param>
    string Normalize(string text);
}
