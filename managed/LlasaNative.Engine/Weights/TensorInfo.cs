namespace LlasaNative.Weights;

/// <summary>Name, element type and shape of one stored tensor (row-major).</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed class TensorInfo
{
    /// <summary>Describes a tensor.</summary>
    /// <param name="name">Parameter name, for example <c>model.norm.weight</c>; not empty.</param>
    /// <param name="type">Element type.</param>
    /// <param name="shape">Extents, each at least 0; empty for a scalar. The product must fit in 63 bits.</param>
    /// <exception cref="ArgumentException">The name is empty or an extent is negative.</exception>
    /// <exception cref="OverflowException">The number of bytes does not fit in 63 bits.</exception>
    public TensorInfo(string name, TensorType type, params ReadOnlySpan<long> shape)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        long count = 1;
        bool empty = false;
        foreach (long extent in shape)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(extent, nameof(shape));
            empty |= extent == 0;
            count = extent == 0 ? count : checked(count * extent);
        }

        Name = name;
        Type = type;
        TypeName = type.SafeTensorsName();
        Shape = [.. shape];
        ElementCount = empty ? 0 : count;
        ByteLength = checked(ElementCount * type.SizeInBytes());
    }

    /// <summary>Describes a tensor whose type is unknown; how many bytes it takes is for the file to say.</summary>
    internal TensorInfo(string name, string typeName, long byteLength, params ReadOnlySpan<long> shape)
        : this(name, TensorType.U8, shape) =>
        (Type, TypeName, ByteLength) = (TensorType.Other, typeName, byteLength);

    /// <summary>Parameter name.</summary>
    public string Name { get; }

    /// <summary>Element type.</summary>
    public TensorType Type { get; }

    /// <summary>The type as headers write it, for example <c>BF16</c>, also where <see cref="Type"/> is <see cref="TensorType.Other"/>.</summary>
    public string TypeName { get; }

    /// <summary>Extents, outermost first; empty for a scalar.</summary>
    public ImmutableArray<long> Shape { get; }

    /// <summary>Number of elements.</summary>
    public long ElementCount { get; }

    /// <summary>Number of bytes of the elements.</summary>
    public long ByteLength { get; }

    /// <summary>The shape as text, for example <c>[16,8]</c>.</summary>
    public string ShapeText => FormatShape(Shape.AsSpan());

    /// <summary>Writes a shape as text, for example <c>[16,8]</c>.</summary>
    /// <param name="shape">Extents, outermost first.</param>
    public static string FormatShape(ReadOnlySpan<long> shape) => $"[{string.Join(',', shape.ToArray())}]";

    /// <summary>Whether the shape equals the given extents.</summary>
    /// <param name="shape">Extents, outermost first.</param>
    public bool HasShape(ReadOnlySpan<long> shape) => Shape.AsSpan().SequenceEqual(shape);

    /// <inheritdoc/>
    public override string ToString() => $"{Name} {TypeName} {ShapeText}";
}
