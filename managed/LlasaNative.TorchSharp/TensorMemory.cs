using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LlasaNative.Torch;

/// <summary>Memory of tensors as the native library takes it: of one element type, row-major without gaps, all of a call on one device.</summary>
internal static unsafe partial class TensorMemory
{
    /// <summary>Where the library is to work on a tensor: on a card in turn with torch's current stream; null on the host.</summary>
    /// <param name="values">The tensor.</param>
    /// <param name="name">Its name, for messages.</param>
    /// <exception cref="ArgumentException">It is on neither, or the library computes elsewhere.</exception>
    public static NativeDevicePlace? PlaceOf(Tensor values, string name)
    {
        ArgumentNullException.ThrowIfNull(values, name);
        if (values.device_type == DeviceType.CPU)
        {
            return null;
        }

        ThrowIf(values.device_type != DeviceType.CUDA, name, $"on {values.device}, expected on the CPU or a CUDA device; pass {name}.cpu()");
        var backend = NativeDevice.GetInfo().Backend;
        return backend == "cuda"
            ? new NativeDevicePlace(values.device_index, TorchStream.Current(values.device_index))
            : throw new ArgumentException($"`{name}`: on {values.device}, but the native library computes on {backend}; pass {name}.cpu(), or load libllasa_cuda (LLASA_BACKEND=cuda)", name);
    }

    /// <summary>Refuses a tensor that the library cannot take as it is.</summary>
    /// <typeparam name="T">What the library takes.</typeparam>
    /// <param name="values">The tensor.</param>
    /// <param name="name">Its name, for messages.</param>
    /// <param name="beside">The tensor whose device decides.</param>
    /// <param name="shape">Expected extents; -1 = any.</param>
    /// <exception cref="ArgumentException">It lies elsewhere, has another type, gaps, or another shape.</exception>
    public static void Check<T>(Tensor values, string name, Tensor beside, params ReadOnlySpan<long> shape)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(values, name);
        var type = default(T) switch
        {
            float => ScalarType.Float32,
            int => ScalarType.Int32,
            long or ulong => ScalarType.Int64,
            byte => ScalarType.Bool,
            _ => throw new NotSupportedException($"The library takes no arrays of {typeof(T)}."),
        };
        ThrowIf(values.device_type != beside.device_type || values.device_index != beside.device_index, name,
            $"on {values.device}, expected on {beside.device} as the others; pass {name}.to({beside.device})");
        ThrowIf(values.dtype != type, name, $"of {values.dtype}, expected {type}; pass {name}.to(ScalarType.{type})");
        ThrowIf(!Fits(values.shape, shape), name,
            $"of shape [{string.Join(", ", values.shape)}], expected [{string.Join(", ", shape.ToArray()).Replace("-1", "any", StringComparison.Ordinal)}]");
        ThrowIf(!values.is_contiguous(), name, $"its elements are not row-major without gaps; pass {name}.contiguous()");
    }

    /// <summary>The elements of a checked tensor of the host where they lie, none for null; nothing is copied.</summary>
    /// <typeparam name="T">As it was checked.</typeparam>
    /// <param name="values">The tensor; must outlive the span.</param>
    public static Span<T> Elements<T>(Tensor? values)
        where T : unmanaged => values is null ? [] : MemoryMarshal.Cast<byte, T>(values.bytes);

    /// <summary>The elements of a checked tensor where they lie, on a card or on the host, none for null; nothing is copied.</summary>
    /// <typeparam name="T">As it was checked.</typeparam>
    /// <param name="values">The tensor; must outlive what is done with them.</param>
    public static NativeDeviceArray<T> Array<T>(Tensor? values)
        where T : unmanaged => values is null ? default : new((void*)THSTensor_data(values.Handle), values.numel());

    private static void ThrowIf(bool isFault, string name, [InterpolatedStringHandlerArgument(nameof(isFault))] FaultText message)
    {
        if (isFault)
        {
            throw new ArgumentException($"`{name}`: {message.ToText()}", name);
        }
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

    // The address of the first element of this tensor, not of its storage. What TorchSharp wraps of it reads the host's memory alone.
    [LibraryImport("LibTorchSharp")]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial nint THSTensor_data(nint tensor);
}
