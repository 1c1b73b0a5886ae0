using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LlasaNative.Torch;

/// <summary>Tensors over memory that native code owns.</summary>
internal static unsafe partial class NativeMemory
{
    /// <summary>A CPU tensor whose elements are those at an address: nothing is copied, and what one side writes the other reads.</summary>
    /// <param name="data">First element; stays the owner's, and must outlive the tensor.</param>
    /// <param name="dtype">Of its elements.</param>
    /// <param name="shape">Extents, row-major.</param>
    public static Tensor AsTensor(void* data, ScalarType dtype, ReadOnlySpan<long> shape)
    {
        torch.InitializeDeviceType(DeviceType.CPU);
        fixed (long* sizes = shape)
        {
            var handle = THSTensor_new(
                (nint)data, (nint)(delegate* unmanaged[Cdecl]<nint, void>)&Keep, (nint)sizes, shape.Length, (sbyte)dtype, (sbyte)dtype,
                (int)DeviceType.CPU, -1, requiresGrad: false);
            return handle == 0
                ? throw new InvalidOperationException("TorchSharp could not make a tensor over the policy's memory.")
                : Tensor.UnsafeCreateTensor(handle);
        }
    }

    // The memory is not torch's to free.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Keep(nint context)
    {
    }

    [LibraryImport("LibTorchSharp")]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial nint THSTensor_new(
        nint data, nint deleter, nint sizes, int rank, sbyte type, sbyte dtype, int device, int deviceIndex, [MarshalAs(UnmanagedType.U1)] bool requiresGrad);
}
