namespace LlasaNative.Text;

/// <summary>A token that is found in the text as a whole, before the text is cut into pieces.</summary>
/// <param name="Id">Token id.</param>
/// <param name="Content">The text it stands for; not empty.</param>
/// <param name="Special">Whether decoding may leave it out.</param>
/// <param name="SingleWord">Matches only where no word character touches it.</param>
/// <param name="StripLeft">Takes the white space before it along.</param>
/// <param name="StripRight">Takes the white space after it along.</param>
/// <param name="Normalized">Is looked for in the normalised text.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record AddedToken(
    int Id,
    string Content,
    bool Special = false,
    bool SingleWord = false,
    bool StripLeft = false,
    bool StripRight = false,
    bool Normalized = false)
{
    private static readonly string[] _roles = ["<s>", "</s>", "<bos>", "<eos>", "<unk>", "<pad>", "<mask>", "[BOS]", "[EOS]", "[UNK]", "[PAD]", "[MASK]", "[CLS]", "[SEP]"];

    /// <summary>
    /// Whether it steers a model and is no word of a text: written <c>&lt;|like this|&gt;</c>, or a special one of the usual
    /// names of a start, an end, a filler and their kin. Other tokens, special or not, somebody added to be used in texts.
    /// </summary>
    public bool IsControl =>
        (Content.StartsWith("<|", StringComparison.Ordinal) && Content.EndsWith("|>", StringComparison.Ordinal))
        || (Content.StartsWith("<\uFF5C", StringComparison.Ordinal) && Content.EndsWith("\uFF5C>", StringComparison.Ordinal))
        || (Special && _roles.Contains(Content));
}
