using System.Buffers.Text;

namespace LlasaNative.Text;

/// <summary>Reads a rank file of OpenAI's tiktoken: per line the bytes of a token in base64, a space and its rank, which is its id.</summary>
internal static class TiktokenReader
{
    public static TokenizerParts Read(ReadOnlySpan<byte> file, string path)
    {
        TokenTable tokens = new();
        int number = 0;
        foreach (Range range in file.Split((byte)'\n'))
        {
            ReadOnlySpan<byte> line = file[range].TrimEnd((byte)'\r');
            number++;
            if (line.IsEmpty)
            {
                continue;
            }

            int space = line.IndexOf((byte)' ');
            if (space < 0 || !int.TryParse(line[(space + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int rank)
                || rank >= TokenTable.MaxId || !TryDecode(line[..space], out byte[] bytes))
            {
                throw new ModelFileException(path, $"line {number}", "expected base64, a space and a rank");
            }

            if (tokens.Contains(rank) || (bytes.Length > 0 && tokens.Find(bytes) >= 0))
            {
                throw new ModelFileException(path, $"line {number}", "token or rank appears twice");
            }

            tokens.Add(rank, bytes, findable: true);
        }

        BpeMerger merger = new(tokens, 4 * tokens.Count);
        ModelFileException.ThrowIf(merger.LacksBytes, path, null, "not all 256 single bytes have a rank");
        AddMerges(tokens, merger);
        PreTokenizerStep[] steps = [new(false, new Gpt2Scanner())];
        return new TokenizerParts(path, tokens, merger, false, new Dictionary<int, string>(), [], steps, null, [], []);
    }

    /// <summary>Any two neighbours whose bytes together are a token merge, with that token's rank.</summary>
    private static void AddMerges(TokenTable tokens, BpeMerger merger)
    {
        for (int rank = 0; rank < tokens.Count; rank++)
        {
            ReadOnlySpan<byte> bytes = tokens.Bytes(rank);
            for (int cut = 1; cut < bytes.Length; cut++)
            {
                int left = tokens.Find(bytes[..cut]);
                int right = left < 0 ? -1 : tokens.Find(bytes[cut..]);
                if (right >= 0)
                {
                    merger.Add(left, right, rank, rank);
                }
            }
        }
    }

    /// <summary>Base64; padding without data stands for the empty token.</summary>
    private static bool TryDecode(ReadOnlySpan<byte> text, out byte[] bytes)
    {
        bytes = [];
        if (text.TrimEnd((byte)'=').IsEmpty)
        {
            return true;
        }

        byte[] buffer = new byte[Base64.GetMaxDecodedFromUtf8Length(text.Length)];
        if (Base64.DecodeFromUtf8(text, buffer, out int consumed, out int written) != System.Buffers.OperationStatus.Done || consumed != text.Length)
        {
            return false;
        }

        bytes = buffer[..written];
        return true;
    }
}
