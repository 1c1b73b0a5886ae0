using System.Buffers;
using System.Buffers.Binary;

namespace LlasaNative.Reporting;

/// <summary>The few protobuf wire types that TensorBoard events are made of.</summary>
internal sealed class ProtoWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    public byte[] ToArray() => _bytes.WrittenSpan.ToArray();

    public ProtoWriter Varint(int field, long value)
    {
        Raw(((ulong)field << 3) | 0);
        Raw((ulong)value);
        return this;
    }

    public ProtoWriter Double(int field, double value)
    {
        Raw(((ulong)field << 3) | 1);
        Span<byte> buffer = stackalloc byte[8];
        BinaryPrimitives.WriteDoubleLittleEndian(buffer, value);
        _bytes.Write(buffer);
        return this;
    }

    public ProtoWriter Single(int field, float value)
    {
        Raw(((ulong)field << 3) | 5);
        Span<byte> buffer = stackalloc byte[4];
        BinaryPrimitives.WriteSingleLittleEndian(buffer, value);
        _bytes.Write(buffer);
        return this;
    }

    public ProtoWriter Bytes(int field, ReadOnlySpan<byte> value)
    {
        Raw(((ulong)field << 3) | 2);
        Raw((ulong)value.Length);
        _bytes.Write(value);
        return this;
    }

    public ProtoWriter Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

    public ProtoWriter Message(int field, Action<ProtoWriter> fill)
    {
        ProtoWriter inner = new();
        fill(inner);
        return Bytes(field, inner.ToArray());
    }

    private void Raw(ulong value)
    {
        while (value >= 0x80)
        {
            _bytes.Write([(byte)(value | 0x80)]);
            value >>= 7;
        }

        _bytes.Write([(byte)value]);
    }
}
