namespace LlasaNative.Text;

/// <summary>What a tokenizer file says, in the form the encoder uses.</summary>
internal sealed record TokenizerParts(
    string Path,
    TokenTable Tokens,
    BpeMerger Merger,
    bool IgnoreMerges,
    IReadOnlyDictionary<int, string> LiteralTokens,
    IReadOnlyList<AddedToken> AddedTokens,
    IReadOnlyList<PreTokenizerStep> Steps,
    UnicodeForm? Normalization,
    IReadOnlyList<int> Prefix,
    IReadOnlyList<int> Suffix);
