namespace LlasaNative.Trainer.Costs;

/// <summary>What bounds work on a device: its data sheet, what of it programs reach, and what each piece costs.</summary>
internal sealed record DeviceRoofs
{
    // Dense rates and bandwidth of NVIDIA's data sheets.
    private static readonly Dictionary<string, DeviceRoofs> Known = new(StringComparer.Ordinal)
    {
        ["h200"] = new() { Name = "H200 SXM", Bf16Tflops = 989, F32Tflops = 67, MemoryGbPerS = 4800 },
        ["h100"] = new() { Name = "H100 SXM", Bf16Tflops = 989, F32Tflops = 67, MemoryGbPerS = 3350 },
        ["a100"] = new() { Name = "A100 SXM 80 GB", Bf16Tflops = 312, F32Tflops = 19.5, MemoryGbPerS = 2039 },
        ["a6000"] = new() { Name = "RTX A6000", Bf16Tflops = 154.8, F32Tflops = 38.7, MemoryGbPerS = 768 },
    };

    [Option("What it is called.")]
    public string Name { get; init; } = "a device";

    [Option("Products of bf16 with sums in f32, without sparsity.", Above = 0, Unit = "Tflop/s")]
    public double Bf16Tflops { get; init; } = 100;

    [Option("Arithmetic in f32.", Above = 0, Unit = "Tflop/s")]
    public double F32Tflops { get; init; } = 10;

    [Option("Bandwidth of its memory.", Above = 0, Unit = "GB/s")]
    public double MemoryGbPerS { get; init; } = 500;

    [Option("Share of the arithmetic that products reach.", Above = 0, AtMost = 1)]
    public double ProductShare { get; init; } = 0.6;

    [Option("Share of the bandwidth that kernels reach.", Above = 0, AtMost = 1)]
    public double MemoryShare { get; init; } = 0.8;

    [Option("What a kernel takes beside its work, from the end of the one before.", AtLeast = 0, Unit = "microseconds")]
    public double KernelMicroseconds { get; init; } = 2;

    [Option("What a call that queues work takes the host.", AtLeast = 0, Unit = "microseconds")]
    public double CallMicroseconds { get; init; } = 5;

    [Option("What the device stands still while the host waits for it and goes on.", AtLeast = 0, Unit = "microseconds")]
    public double WaitMicroseconds { get; init; } = 20;

    /// <summary>A device by its name, or as a file describes it.</summary>
    /// <param name="device">One of the known names, or the path of a YAML file of these keys.</param>
    /// <exception cref="UsageException">It is neither.</exception>
    public static DeviceRoofs Of(string device) =>
        Known.TryGetValue(device, out var known) ? known
        : File.Exists(device) ? OptionTree.Build<DeviceRoofs>(OptionFile.Read(device))
        : throw new UsageException($"--device: `{device}` is not one of {string.Join(", ", Known.Keys)}, and not a file");
}
