namespace LlasaNative.Trainer.Works;

/// <summary>One kind of work, timed.</summary>
/// <param name="Name">For example <c>decode</c>.</param>
/// <param name="Seconds">Of each repetition, warmed up before.</param>
/// <param name="Unit">Of what kind.</param>
internal sealed record WorkResult(string Name, IReadOnlyList<double> Seconds, double Units, string Unit)
{
    /// <summary>Necessary arithmetic of a repetition; 0 = not counted.</summary>
    public double Flops { get; init; }

    /// <summary>Bytes that a repetition cannot help reading; 0 = not what bounds it.</summary>
    public double Bytes { get; init; }

    /// <summary>Element type of the products.</summary>
    public ComputeType Type { get; init; } = ComputeType.F32;

    /// <summary>What was chosen: batch, lengths and the like.</summary>
    public IReadOnlyDictionary<string, double> Settings { get; init; } = new Dictionary<string, double>();

    public double Median => Seconds.Order().ElementAt(Seconds.Count / 2);

    /// <summary>Share of the roof that bounds the work: of reading where bytes are counted, else of products.</summary>
    public double? OfRoof(NativeMachinePeaks peaks) => this switch
    {
        { Bytes: > 0 } => Math.Max(Bytes / Median / (peaks.ReadGbPerS * 1e9), Flops / Median / (Gemm(peaks) * 1e9)),
        { Flops: > 0 } => Flops / Median / (Gemm(peaks) * 1e9),
        _ => null,
    };

    public string ToText(NativeMachinePeaks peaks, NativeDeviceInfo device)
    {
        var roof = OfRoof(peaks) is { } share ? string.Create(CultureInfo.InvariantCulture, $", {share:P1} of the roof") : "";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{Name}: {Median:G4} s (least {Seconds.Min():G4} s of {Seconds.Count}), {Units / Median:G5} {Unit}/s{roof}; {device.Isa}, {device.NumThreads} threads: "
            + $"products {Gemm(peaks):F1} Gflop/s, reading {peaks.ReadGbPerS:F1} GB/s");
    }

    public byte[] ToJson(NativeMachinePeaks peaks, NativeDeviceInfo device) => JsonWriting.ToFile(new
    {
        Version = LlasaVersion.Text,
        Work = Name,
        Settings,
        Type = Configuration.OptionNames.Of(Type),
        Seconds = Median,
        LeastSeconds = Seconds.Min(),
        AllSeconds = Seconds,
        Units,
        Unit,
        UnitsPerSecond = Units / Median,
        Gflop = Flops / 1e9,
        Gigabytes = Bytes / 1e9,
        RoofFraction = OfRoof(peaks) ?? double.NaN,
        PeakMemoryMib = System.Diagnostics.Process.GetCurrentProcess().PeakWorkingSet64 / 1048576.0,
        Device = device.DeviceName,
        device.Backend,
        device.Isa,
        Threads = device.NumThreads,
        peaks.GemmGflops,
        GemmBf16Gflops = peaks.GemmBF16Gflops,
        peaks.ReadGbPerS,
    });

    private double Gemm(NativeMachinePeaks peaks) => Type == ComputeType.Bf16 ? peaks.GemmBF16Gflops : peaks.GemmGflops;
}
