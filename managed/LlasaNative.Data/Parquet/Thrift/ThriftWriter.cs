using System.Buffers;
using System.Text;

namespace LlasaNative.Data.Parquet;

/// <summary>Writes Thrift's compact protocol. Fields of a struct must be written in rising order.</summary>
internal sealed class ThriftWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new(256);
    private readonly Stack<int> _outer = new();
    private int _field;

    public ReadOnlySpan<byte> Written => _bytes.WrittenSpan;

    public void Field(int field, bool value) => Head(field, value ? ThriftType.True : ThriftType.False);

    public void FieldI8(int field, int value)
    {
        Head(field, ThriftType.Byte);
        Byte((byte)value);
    }

    public void FieldI16(int field, int value)
    {
        Head(field, ThriftType.I16);
        Varint(ZigZag(value));
    }

    public void Field(int field, int value)
    {
        Head(field, ThriftType.I32);
        Varint(ZigZag(value));
    }

    public void Field(int field, long value)
    {
        Head(field, ThriftType.I64);
        Varint(ZigZag(value));
    }

    public void Field(int field, ReadOnlySpan<byte> value)
    {
        Head(field, ThriftType.Binary);
        Binary(value);
    }

    public void Field(int field, string value) => Field(field, Encoding.UTF8.GetBytes(value));

    /// <summary>Starts a struct as a field; <see cref="EndStruct"/> ends it.</summary>
    public void BeginStruct(int field)
    {
        Head(field, ThriftType.Struct);
        BeginElement();
    }

    /// <summary>Starts a struct as an element of a list, or the outermost one.</summary>
    public void BeginElement()
    {
        _outer.Push(_field);
        _field = 0;
    }

    public void EndStruct()
    {
        Byte(0);
        _field = _outer.Pop();
    }

    public void BeginList(int field, ThriftType element, int count)
    {
        Head(field, ThriftType.List);
        if (count < 15)
        {
            Byte((byte)((count << 4) | (int)element));
        }
        else
        {
            Byte((byte)(0xF0 | (int)element));
            Varint((ulong)count);
        }
    }

    public void Element(int value) => Varint(ZigZag(value));

    public void Element(string value) => Binary(Encoding.UTF8.GetBytes(value));

    private void Head(int field, ThriftType type)
    {
        int delta = field - _field;
        if (delta is > 0 and <= 15)
        {
            Byte((byte)((delta << 4) | (int)type));
        }
        else
        {
            Byte((byte)type);
            Varint(ZigZag(field));
        }

        _field = field;
    }

    private void Binary(ReadOnlySpan<byte> value)
    {
        Varint((ulong)value.Length);
        _bytes.Write(value);
    }

    private void Varint(ulong value)
    {
        while (value >= 128)
        {
            Byte((byte)(value | 128));
            value >>= 7;
        }

        Byte((byte)value);
    }

    private void Byte(byte value)
    {
        _bytes.GetSpan(1)[0] = value;
        _bytes.Advance(1);
    }

    private static ulong ZigZag(long value) => (ulong)((value << 1) ^ (value >> 63));
}
