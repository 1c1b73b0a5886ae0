namespace LlasaNative.Interop;

/// <summary>Where work on a device goes: behind what a stream of the caller holds.</summary>
/// <param name="Device">As CUDA counts devices in this process; -1 = the library's own. On the CPU -1 or 0.</param>
/// <param name="Stream">A cudaStream_t of it; 0 = its legacy default stream, and the only one on the CPU.</param>
public readonly record struct NativeDevicePlace(int Device, nint Stream);
