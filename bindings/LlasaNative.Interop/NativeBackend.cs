namespace LlasaNative.Interop;

/// <summary>Which native library computes.</summary>
public enum NativeBackend
{
    /// <summary>CUDA when a device and its library are there, else the CPU.</summary>
    Auto,

    /// <summary>libllasa_cpu.</summary>
    Cpu,

    /// <summary>libllasa_cuda; an error that says what is missing when it cannot be used.</summary>
    Cuda,

    /// <summary>libllasa_cudasim: the CUDA kernels on a simulator, for tests. Very slow.</summary>
    CudaSim,
}
