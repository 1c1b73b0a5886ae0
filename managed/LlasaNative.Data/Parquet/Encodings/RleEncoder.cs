using System.Buffers;
using System.Numerics;

namespace LlasaNative.Data.Parquet;

/// <summary>Encodes runs and bit-packed groups of eight: levels and dictionary indices.</summary>
internal static class RleEncoder
{
    private const int Group = 8;

    /// <param name="output">Where to write.</param>
    /// <param name="values">Values of at most <paramref name="width"/> bits.</param>
    /// <param name="width">Bits of a value, 0 to 32.</param>
    public static void Encode<T>(ArrayBufferWriter<byte> output, ReadOnlySpan<T> values, int width)
        where T : unmanaged, IBinaryInteger<T>
    {
        int literals = 0;
        int at = 0;
        while (at < values.Length)
        {
            int run = RunLength(values[at..]);

            // Groups must be full, so a run first gives what the literals before it lack.
            int fill = (Group - ((at - literals) % Group)) % Group;
            if (run - fill >= Group)
            {
                Pack(output, values[literals..(at + fill)], width);
                PutVarint(output, (ulong)(run - fill) << 1);
                uint value = uint.CreateTruncating(values[at]);
                for (int i = 0; i < (width + 7) / 8; i++)
                {
                    PutByte(output, (byte)(value >> (8 * i)));
                }

                literals = at + run;
            }

            at += run;
        }

        Pack(output, values[literals..], width);
    }

    private static int RunLength<T>(ReadOnlySpan<T> values)
        where T : unmanaged, IBinaryInteger<T>
    {
        int other = values.IndexOfAnyExcept(values[0]);
        return other < 0 ? values.Length : other;
    }

    private static void Pack<T>(ArrayBufferWriter<byte> output, ReadOnlySpan<T> values, int width)
        where T : unmanaged, IBinaryInteger<T>
    {
        if (values.IsEmpty)
        {
            return;
        }

        int groups = (values.Length + Group - 1) / Group;
        PutVarint(output, ((ulong)groups << 1) | 1);
        BitPacker packer = new(output);
        foreach (T value in values)
        {
            packer.Put(ulong.CreateTruncating(value), width);
        }

        for (int i = values.Length; i < groups * Group; i++)
        {
            packer.Put(0, width);
        }

        packer.Flush();
    }

    public static void PutByte(ArrayBufferWriter<byte> output, byte value)
    {
        output.GetSpan(1)[0] = value;
        output.Advance(1);
    }

    public static void PutVarint(ArrayBufferWriter<byte> output, ulong value)
    {
        for (; value >= 128; value >>= 7)
        {
            PutByte(output, (byte)(value | 128));
        }

        PutByte(output, (byte)value);
    }

    public static void PutZigZag(ArrayBufferWriter<byte> output, long value) =>
        PutVarint(output, (ulong)((value << 1) ^ (value >> 63)));
}

/// <summary>Writes integers of up to 64 bits, least significant bit first.</summary>
internal ref struct BitPacker(ArrayBufferWriter<byte> output)
{
    private UInt128 _bits;
    private int _count;

    public void Put(ulong value, int width)
    {
        _bits |= (UInt128)value << _count;
        for (_count += width; _count >= 8; _count -= 8)
        {
            RleEncoder.PutByte(output, (byte)_bits);
            _bits >>= 8;
        }
    }

    public void Flush()
    {
        if (_count > 0)
        {
            RleEncoder.PutByte(output, (byte)_bits);
        }

        (_bits, _count) = (0, 0);
    }
}
