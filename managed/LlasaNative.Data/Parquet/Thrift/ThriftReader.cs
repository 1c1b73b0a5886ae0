using System.Text;

namespace LlasaNative.Data.Parquet;

/// <summary>
/// Reads Thrift's compact protocol from a span. Every length is checked against what is left, so that a lie costs nothing.
/// </summary>
internal ref struct ThriftReader(ReadOnlySpan<byte> bytes)
{
    private const int MaxDepth = 32;

    private readonly ReadOnlySpan<byte> _bytes = bytes;

    /// <summary>Bytes read so far.</summary>
    public int Position { get; private set; }

    private readonly int Left => _bytes.Length - Position;

    /// <summary>Reads the next field's header; false at the end of the struct.</summary>
    /// <param name="field">In: the previous field of the same struct, 0 before the first. Out: this one.</param>
    /// <param name="type">Type of the field, which for booleans is also the value.</param>
    public bool NextField(ref int field, out ThriftType type)
    {
        int head = ReadByte();
        type = (ThriftType)(head & 15);
        if (head == 0)
        {
            return false;
        }

        if (type is ThriftType.Stop or > ThriftType.Uuid)
        {
            throw new ParquetException($"the metadata have a field of unknown type {head & 15}");
        }

        int delta = head >> 4;
        long next = delta == 0 ? ZigZag(ReadVarint()) : field + delta;
        if (next is < short.MinValue or > short.MaxValue)
        {
            throw new ParquetException($"the metadata have a field numbered {next}");
        }

        field = (int)next;
        return true;
    }

    public static bool ReadBoolean(ThriftType type) => type switch
    {
        ThriftType.True => true,
        ThriftType.False => false,
        _ => throw Unexpected(type, "a boolean"),
    };

    public int ReadI8(ThriftType type)
    {
        Expect(type, ThriftType.Byte, "an 8-bit integer");
        return (sbyte)ReadByte();
    }

    public int ReadI32(ThriftType type)
    {
        if (type is not (ThriftType.I32 or ThriftType.I16))
        {
            throw Unexpected(type, "a 32-bit integer");
        }

        long value = ZigZag(ReadVarint());
        return value is >= int.MinValue and <= int.MaxValue
            ? (int)value
            : throw new ParquetException($"the metadata have {value} where a 32-bit integer is expected");
    }

    public long ReadI64(ThriftType type)
    {
        if (type is not (ThriftType.I64 or ThriftType.I32 or ThriftType.I16))
        {
            throw Unexpected(type, "a 64-bit integer");
        }

        return ZigZag(ReadVarint());
    }

    /// <summary>Bytes of a string or binary field; they lie in the reader's own span.</summary>
    public ReadOnlySpan<byte> ReadBinary(ThriftType type)
    {
        Expect(type, ThriftType.Binary, "a string");
        ulong length = ReadVarint();
        if (length > (ulong)Left)
        {
            throw ParquetException.EndOfData("a string of the metadata");
        }

        ReadOnlySpan<byte> result = _bytes.Slice(Position, (int)length);
        Position += (int)length;
        return result;
    }

    public string ReadString(ThriftType type) => Encoding.UTF8.GetString(ReadBinary(type));

    /// <summary>Reads a list's header.</summary>
    /// <returns>The number of elements, at most the number of bytes left.</returns>
    public int ReadList(ThriftType type, out ThriftType element)
    {
        if (type is not (ThriftType.List or ThriftType.Set))
        {
            throw Unexpected(type, "a list");
        }

        int head = ReadByte();
        element = (ThriftType)(head & 15);
        ulong count = head >> 4 == 15 ? ReadVarint() : (ulong)(head >> 4);
        if (count > 0 && element is ThriftType.Stop or > ThriftType.Uuid)
        {
            throw new ParquetException($"the metadata have a list of unknown type {head & 15}");
        }

        // Every element takes at least one byte.
        return count <= (ulong)Left ? (int)count : throw ParquetException.EndOfData("a list of the metadata");
    }

    public static void ExpectStruct(ThriftType type) => Expect(type, ThriftType.Struct, "a struct");

    public void Skip(ThriftType type) => Skip(type, 0, inContainer: false);

    private void Skip(ThriftType type, int depth, bool inContainer)
    {
        if (depth > MaxDepth)
        {
            throw new ParquetException($"the metadata are nested deeper than {MaxDepth} levels");
        }

        switch (type)
        {
            case ThriftType.True or ThriftType.False:
                Advance(inContainer ? 1 : 0);
                break;
            case ThriftType.Byte:
                Advance(1);
                break;
            case ThriftType.I16 or ThriftType.I32 or ThriftType.I64:
                _ = ReadVarint();
                break;
            case ThriftType.Double:
                Advance(8);
                break;
            case ThriftType.Uuid:
                Advance(16);
                break;
            case ThriftType.Binary:
                _ = ReadBinary(type);
                break;
            case ThriftType.List or ThriftType.Set:
                int count = ReadList(type, out ThriftType element);
                for (int i = 0; i < count; i++)
                {
                    Skip(element, depth + 1, inContainer: true);
                }

                break;
            case ThriftType.Map:
                SkipMap(depth);
                break;
            case ThriftType.Struct:
                int field = 0;
                while (NextField(ref field, out ThriftType inner))
                {
                    Skip(inner, depth + 1, inContainer: false);
                }

                break;
            default:
                throw Unexpected(type, "a known type");
        }
    }

    private void SkipMap(int depth)
    {
        ulong count = ReadVarint();
        if (count == 0)
        {
            return;
        }

        int types = ReadByte();
        if (count > (ulong)Left)
        {
            throw ParquetException.EndOfData("a map of the metadata");
        }

        for (ulong i = 0; i < count; i++)
        {
            Skip((ThriftType)(types >> 4), depth + 1, inContainer: true);
            Skip((ThriftType)(types & 15), depth + 1, inContainer: true);
        }
    }

    private byte ReadByte()
    {
        if (Left == 0)
        {
            throw ParquetException.EndOfData("the metadata");
        }

        return _bytes[Position++];
    }

    private void Advance(int count)
    {
        if (count > Left)
        {
            throw ParquetException.EndOfData("the metadata");
        }

        Position += count;
    }

    private ulong ReadVarint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 70; shift += 7)
        {
            byte next = ReadByte();
            value |= (ulong)(next & 127) << shift;
            if (next < 128)
            {
                return value;
            }
        }

        throw new ParquetException("the metadata have an integer of more than 10 bytes");
    }

    private static long ZigZag(ulong value) => (long)(value >> 1) ^ -(long)(value & 1);

    private static void Expect(ThriftType type, ThriftType expected, string what)
    {
        if (type != expected)
        {
            throw Unexpected(type, what);
        }
    }

    private static ParquetException Unexpected(ThriftType type, string what) =>
        new($"the metadata have a field of type {type} where {what} is expected");
}
