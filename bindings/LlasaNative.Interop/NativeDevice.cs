namespace LlasaNative.Interop;

/// <summary>What the native library is and what it computes on.</summary>
public static class NativeDevice
{
    /// <summary>Chooses the library to load; call before anything else of this assembly.</summary>
    /// <param name="backend">Auto, cpu or cuda; takes precedence over LLASA_BACKEND.</param>
    /// <exception cref="InvalidOperationException">Another backend is loaded already.</exception>
    public static void UseBackend(NativeBackend backend) => LibraryResolver.Choose(backend);

    /// <summary>Loads the library if needed and describes backend, instruction set and device. Threads: any.</summary>
    public static NativeDeviceInfo GetInfo() => Native.GetDeviceInfo();

    /// <summary>Sets the number of compute threads; results do not depend on it. Call while nothing runs.</summary>
    /// <param name="count">1 to 256, or 0 for all processors this process may use.</param>
    public static void SetThreadCount(int count) => Native.SetNumThreads(count);

    /// <summary>Handles and bytes alive in this process; all zero once everything is disposed. Threads: any.</summary>
    public static NativeLiveCounts GetLiveCounts() => Native.GetLiveCounts();

    /// <summary>Measures GEMM and bandwidth roofs, about a second. Call while nothing runs.</summary>
    public static NativeMachinePeaks MeasurePeaks() => Native.MeasureMachinePeaks();

    /// <summary>Why the CPU was chosen though the machine has a CUDA device, when the choice was left to the program; null otherwise.</summary>
    public static string? WhyNotCuda => LibraryResolver.WhyNotCuda;

    /// <summary>Path of the loaded native library, or null before the first call.</summary>
    public static string? LibraryPath => LibraryResolver.LoadedPath;
}
