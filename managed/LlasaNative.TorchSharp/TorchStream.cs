using System.Runtime.InteropServices;

namespace LlasaNative.Torch;

/// <summary>The CUDA stream that torch queues work on, which TorchSharp does not tell.</summary>
internal static unsafe class TorchStream
{
    // Of the C interface that PyTorch keeps from version to version, torch/csrc/inductor/aoti_torch/c/shim.h.
    private const string Export = "aoti_torch_get_current_cuda_stream";

    private static readonly Lazy<nint> Function = new(Find);

    /// <summary>The calling thread's current stream of a device, as a cudaStream_t; 0 is the legacy default stream.</summary>
    /// <param name="device">As torch and CUDA count devices.</param>
    /// <exception cref="NotSupportedException">This libtorch does not tell it.</exception>
    public static nint Current(int device)
    {
        nint stream = 0;
        var error = ((delegate* unmanaged[Cdecl]<int, nint*, int>)Function.Value)(device, &stream);
        return error == 0
            ? stream
            : throw new InvalidOperationException($"torch does not say which stream of cuda:{device} is current: {Export} returned {error}.");
    }

    // TorchSharp has loaded the library before there can be a tensor on a card; asked for by its name, the loader gives that one.
    private static nint Find()
    {
        var name = OperatingSystem.IsWindows() ? "torch_cuda.dll" : "libtorch_cuda.so";
        return NativeLibrary.TryLoad(name, out var library) && NativeLibrary.TryGetExport(library, Export, out var function)
            ? function
            : throw new NotSupportedException($"Which CUDA stream is torch's current one cannot be told: {(library == 0 ? $"{name} is not loaded" : $"{name} has no {Export}, which libtorch 2.10 has")}. Pass tensors by cpu().");
    }
}
