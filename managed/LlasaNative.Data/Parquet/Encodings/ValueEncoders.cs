using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LlasaNative.Data.Parquet;

/// <summary>Encodes the values of one page.</summary>
internal static class ValueEncoders
{
    /// <summary>Whether the encoding can be written for the column.</summary>
    public static bool Supports(ParquetField column, ParquetEncoding encoding)
    {
        ParquetPhysicalType type = column.PhysicalType!.Value;
        return encoding switch
        {
            ParquetEncoding.Plain => true,
            ParquetEncoding.Rle => type == ParquetPhysicalType.Boolean,
            ParquetEncoding.DeltaBinaryPacked => type is ParquetPhysicalType.Int32 or ParquetPhysicalType.Int64,
            ParquetEncoding.DeltaLengthByteArray => type == ParquetPhysicalType.ByteArray,
            ParquetEncoding.DeltaByteArray => type is ParquetPhysicalType.ByteArray or ParquetPhysicalType.FixedLengthByteArray,
            ParquetEncoding.ByteStreamSplit => type is ParquetPhysicalType.Int32 or ParquetPhysicalType.Int64
                or ParquetPhysicalType.Float or ParquetPhysicalType.Double or ParquetPhysicalType.FixedLengthByteArray,
            _ => false,
        };
    }

    public static void Encode<T>(ArrayBufferWriter<byte> output, ParquetField column, ParquetEncoding encoding, ReadOnlySpan<T> values)
    {
        switch (encoding)
        {
            case ParquetEncoding.Plain:
                EncodePlain(output, column, values);
                break;
            case ParquetEncoding.Rle:
                EncodeRuns(output, Cast<T, bool>(values));
                break;
            case ParquetEncoding.DeltaBinaryPacked when typeof(T) == typeof(int):
                DeltaBinaryEncoder.Encode(output, Cast<T, int>(values));
                break;
            case ParquetEncoding.DeltaBinaryPacked:
                DeltaBinaryEncoder.Encode(output, Cast<T, long>(values));
                break;
            case ParquetEncoding.DeltaLengthByteArray:
                EncodeLengths(output, Cast<T, byte[]>(values), new int[values.Length]);
                break;
            case ParquetEncoding.DeltaByteArray:
                EncodeShared(output, Cast<T, byte[]>(values));
                break;
            case ParquetEncoding.ByteStreamSplit:
                ArrayBufferWriter<byte> plain = new();
                EncodePlain(plain, column, values);
                Split(output, plain.WrittenSpan, values.Length);
                break;
            default:
                throw new ParquetException($"encoding {encoding} cannot be written");
        }
    }

    private static void EncodePlain<T>(ArrayBufferWriter<byte> output, ParquetField column, ReadOnlySpan<T> values)
    {
        if (typeof(T) == typeof(byte[]))
        {
            bool hasLength = column.PhysicalType == ParquetPhysicalType.ByteArray;
            foreach (byte[] value in Cast<T, byte[]>(values))
            {
                if (hasLength)
                {
                    BinaryPrimitives.WriteInt32LittleEndian(output.GetSpan(4), value.Length);
                    output.Advance(4);
                }

                output.Write(value);
            }
        }
        else if (typeof(T) == typeof(bool))
        {
            BitPacker packer = new(output);
            foreach (bool value in Cast<T, bool>(values))
            {
                packer.Put(value ? 1UL : 0, 1);
            }

            packer.Flush();
        }
        else
        {
            output.Write(MemoryMarshal.CreateReadOnlySpan(
                ref Unsafe.As<T, byte>(ref MemoryMarshal.GetReference(values)), checked(values.Length * Unsafe.SizeOf<T>())));
        }
    }

    private static void EncodeRuns(ArrayBufferWriter<byte> output, ReadOnlySpan<bool> values)
    {
        ArrayBufferWriter<byte> runs = new();
        RleEncoder.Encode(runs, MemoryMarshal.AsBytes(values), 1);
        BinaryPrimitives.WriteInt32LittleEndian(output.GetSpan(4), runs.WrittenCount);
        output.Advance(4);
        output.Write(runs.WrittenSpan);
    }

    // Writes what is left of each value behind its prefix.
    private static void EncodeLengths(ArrayBufferWriter<byte> output, ReadOnlySpan<byte[]> values, int[] prefixes)
    {
        int[] lengths = new int[values.Length];
        for (int i = 0; i < lengths.Length; i++)
        {
            lengths[i] = values[i].Length - prefixes[i];
        }

        DeltaBinaryEncoder.Encode(output, lengths);
        for (int i = 0; i < lengths.Length; i++)
        {
            output.Write(values[i].AsSpan(prefixes[i]));
        }
    }

    private static void EncodeShared(ArrayBufferWriter<byte> output, ReadOnlySpan<byte[]> values)
    {
        int[] prefixes = new int[values.Length];
        for (int i = 1; i < prefixes.Length; i++)
        {
            prefixes[i] = values[i - 1].AsSpan().CommonPrefixLength(values[i]);
        }

        DeltaBinaryEncoder.Encode(output, prefixes);
        EncodeLengths(output, values, prefixes);
    }

    private static void Split(ArrayBufferWriter<byte> output, ReadOnlySpan<byte> plain, int count)
    {
        int size = count == 0 ? 0 : plain.Length / count;
        Span<byte> streams = output.GetSpan(Math.Max(1, plain.Length));
        for (int i = 0; i < count; i++)
        {
            for (int k = 0; k < size; k++)
            {
                streams[(k * count) + i] = plain[(i * size) + k];
            }
        }

        output.Advance(plain.Length);
    }

    // The caller has compared the types.
    private static ReadOnlySpan<TTo> Cast<TFrom, TTo>(ReadOnlySpan<TFrom> values) => MemoryMarshal.CreateReadOnlySpan(
        ref Unsafe.As<TFrom, TTo>(ref MemoryMarshal.GetReference(values)), values.Length);
}
