using System.Buffers;
using System.Numerics;

namespace LlasaNative.Data.Parquet;

/// <summary>Encodes integers as bit-packed differences: blocks of 128 in four miniblocks.</summary>
internal static class DeltaBinaryEncoder
{
    private const int Block = 128;
    private const int Miniblocks = 4;
    private const int MiniblockValues = Block / Miniblocks;

    public static void Encode(ArrayBufferWriter<byte> output, ReadOnlySpan<int> values)
    {
        long[] wide = new long[values.Length];
        for (int i = 0; i < wide.Length; i++)
        {
            wide[i] = values[i];
        }

        Encode(output, wide, static difference => (int)difference);
    }

    public static void Encode(ArrayBufferWriter<byte> output, ReadOnlySpan<long> values) =>
        Encode(output, values, static difference => difference);

    // Differences wrap in the width of the column, so that none of them needs more bits than a value has.
    private static void Encode(ArrayBufferWriter<byte> output, ReadOnlySpan<long> values, Func<long, long> wrap)
    {
        RleEncoder.PutVarint(output, Block);
        RleEncoder.PutVarint(output, Miniblocks);
        RleEncoder.PutVarint(output, (ulong)values.Length);
        RleEncoder.PutZigZag(output, values.IsEmpty ? 0 : values[0]);
        Span<long> deltas = stackalloc long[Block];
        for (int start = 1; start < values.Length; start += Block)
        {
            int count = Math.Min(Block, values.Length - start);
            long smallest = long.MaxValue;
            for (int i = 0; i < count; i++)
            {
                deltas[i] = wrap(unchecked(values[start + i] - values[start + i - 1]));
                smallest = Math.Min(smallest, deltas[i]);
            }

            for (int i = 0; i < count; i++)
            {
                deltas[i] = unchecked(deltas[i] - smallest);
            }

            deltas[count..].Clear();
            PutBlock(output, deltas, smallest, count);
        }
    }

    private static void PutBlock(ArrayBufferWriter<byte> output, ReadOnlySpan<long> deltas, long smallest, int count)
    {
        RleEncoder.PutZigZag(output, smallest);
        Span<int> widths = stackalloc int[Miniblocks];
        for (int m = 0; m < Miniblocks; m++)
        {
            ulong all = 0;
            foreach (long delta in deltas.Slice(m * MiniblockValues, MiniblockValues))
            {
                all |= (ulong)delta;
            }

            widths[m] = 64 - BitOperations.LeadingZeroCount(all);
            RleEncoder.PutByte(output, (byte)widths[m]);
        }

        // Miniblocks behind the last value are left out.
        for (int m = 0; m < Miniblocks && m * MiniblockValues < count; m++)
        {
            BitPacker packer = new(output);
            foreach (long delta in deltas.Slice(m * MiniblockValues, MiniblockValues))
            {
                packer.Put((ulong)delta, widths[m]);
            }

            packer.Flush();
        }
    }
}
