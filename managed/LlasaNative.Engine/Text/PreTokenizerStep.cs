namespace LlasaNative.Text;

/// <summary>One pre-tokenizer: may put a space in front, then may cut into pieces.</summary>
internal sealed record PreTokenizerStep(bool AddPrefixSpace, PieceScanner? Scanner);
