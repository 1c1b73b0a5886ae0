using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace LlasaNative.Data;

/// <summary>Token ids as LLaSA_training keeps them: a matrix of int32 without a head, its shape in a NumPy file beside it.</summary>
/// <remarks>
/// Written by that project's <c>get_memmap_from_token.py</c>: <c>train_input_ids.memmap</c> with <c>train_input_ids_shape.npy</c>, the same for
/// <c>val</c>. A row holds <c>&lt;|TEXT_UNDERSTANDING_START|&gt;</c>, the text, <c>&lt;|TEXT_UNDERSTANDING_END|&gt;</c>,
/// <c>&lt;|SPEECH_GENERATION_START|&gt;</c>, codes, <c>&lt;|SPEECH_GENERATION_END|&gt;</c>, and is filled up with the token that ends a turn.
/// What the ids say is known to the tokenizer alone. <b>Threads:</b> any; each enumeration belongs to one.
/// </remarks>
internal static partial class TokenMatrix
{
    /// <summary>How such files are called.</summary>
    public const string Ending = ".memmap";

    private const string ShapeEnding = "_input_ids_shape.npy";

    /// <summary>Whether a file is the shape of another.</summary>
    public static bool IsShape(string name) => name.EndsWith(ShapeEnding, StringComparison.OrdinalIgnoreCase);

    /// <summary>The rows; each has a fault, for those who do not know its tokenizer.</summary>
    public static IEnumerable<SourceRow> Read(string path)
    {
        (long rows, int columns) = Shape(path[..^Ending.Length] + "_shape.npy");
        using FileStream file = DataFileException.Reading(path, () => new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 18, FileOptions.SequentialScan));
        long bytes = checked(rows * columns * sizeof(int));
        if (file.Length != bytes)
        {
            throw new DataFileException(path, null, string.Create(CultureInfo.InvariantCulture, $"has {file.Length} bytes, expected {bytes} for {rows} rows of {columns} int32, as the shape beside it says"));
        }

        for (long row = 0; row < rows; row++)
        {
            int[] ids = new int[columns];
            _ = DataFileException.Reading(path, () =>
            {
                file.ReadExactly(MemoryMarshal.AsBytes(ids.AsSpan()));
                return true;
            });
            RowPlace place = new(path, row + 1);
            yield return SourceRow.Broken(place, "it holds token ids, which only `llasa sft` reads, with the policy that they are for") with { TokenIds = ids };
        }
    }

    /// <summary>The shape that NumPy saved: an array of two whole numbers, rows and columns.</summary>
    private static (long Rows, int Columns) Shape(string path)
    {
        byte[] bytes = DataFileException.Reading(path, () => File.ReadAllBytes(path));
        DataFileException Fault(string found) => new(path, null, $"{found}, expected NumPy's file of two whole numbers, rows and columns");
        if (bytes.Length < 10 || !bytes.AsSpan().StartsWith(Magic))
        {
            throw Fault("is not one of NumPy's");
        }

        int head = bytes[6] == 1 ? 10 : 12;
        long length = bytes[6] == 1 ? BitConverter.ToUInt16(bytes, 8) : bytes.Length >= 12 ? BitConverter.ToUInt32(bytes, 8) : long.MaxValue;
        if (head + length > bytes.Length)
        {
            throw Fault("is cut off");
        }

        string said = Encoding.Latin1.GetString(bytes, head, (int)length);
        Match match = Description().Match(said);
        if (!match.Success)
        {
            throw Fault($"says {said.Trim()}");
        }

        int size = match.Groups["size"].Value == "8" ? 8 : 4;
        ReadOnlySpan<byte> values = bytes.AsSpan(head + (int)length);
        if (values.Length != 2 * size)
        {
            throw Fault($"has {values.Length} bytes of values instead of {2 * size}");
        }

        (long rows, long columns) = size == 8 ? (BitConverter.ToInt64(values), BitConverter.ToInt64(values[8..])) : (BitConverter.ToInt32(values), BitConverter.ToInt32(values[4..]));
        return rows >= 0 && rows <= int.MaxValue && columns is > 0 and <= 1 << 20 ? (rows, (int)columns)
            : throw Fault(string.Create(CultureInfo.InvariantCulture, $"says {rows} rows of {columns}"));
    }

    private static ReadOnlySpan<byte> Magic => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    [GeneratedRegex(@"'descr': *'<i(?<size>[48])'.*'fortran_order': *(False|True).*'shape': *\(2,\)")]
    private static partial Regex Description();
}
