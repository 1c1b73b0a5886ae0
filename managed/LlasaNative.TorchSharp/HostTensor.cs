using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LlasaNative.Torch;

/// <summary>Memory of tensors as the native library takes it: on the host, of one element type, row-major without gaps.</summary>
internal static class HostTensor
{
    /// <summary>The elements where they lie; nothing is copied.</summary>
    /// <typeparam name="T">What the library takes.</typeparam>
    /// <param name="values">The tensor; must outlive the span.</param>
    /// <param name="name">Its name, for messages.</param>
    /// <param name="shape">Expected extents; -1 = any.</param>
    /// <exception cref="ArgumentException">It lies elsewhere, has another type, gaps, or another shape.</exception>
    public static Span<T> Elements<T>(Tensor values, string name, params ReadOnlySpan<long> shape)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(values, name);
        var type = default(T) switch
        {
            float => ScalarType.Float32,
            int => ScalarType.Int32,
            long => ScalarType.Int64,
            byte => ScalarType.Bool,
            _ => throw new NotSupportedException($"The library takes no arrays of {typeof(T)}."),
        };
        if (values.device_type != DeviceType.CPU)
        {
            throw new ArgumentException($"`{name}`: on {values.device}, expected on the CPU: the library's calls take host memory; pass {name}.cpu()", name);
        }

        if (values.dtype != type)
        {
            throw new ArgumentException($"`{name}`: of {values.dtype}, expected {type}; pass {name}.to(ScalarType.{type})", name);
        }

        if (!Fits(values.shape, shape))
        {
            throw new ArgumentException($"`{name}`: of shape [{string.Join(", ", values.shape)}], expected [{string.Join(", ", shape.ToArray()).Replace("-1", "any", StringComparison.Ordinal)}]", name);
        }

        return values.is_contiguous()
            ? MemoryMarshal.Cast<byte, T>(values.bytes)
            : throw new ArgumentException($"`{name}`: its elements are not row-major without gaps; pass {name}.contiguous()", name);
    }

    private static bool Fits(long[] shape, ReadOnlySpan<long> expected)
    {
        var fits = shape.Length == expected.Length;
        for (var i = 0; fits && i < shape.Length; i++)
        {
            fits = expected[i] < 0 || shape[i] == expected[i];
        }

        return fits;
    }
}
