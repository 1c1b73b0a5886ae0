namespace LlasaNative.Trainer;

/// <summary>How the program talks: results on standard output, everything else on standard error.</summary>
internal static class Terminal
{
    public static ProgressLine Progress(long total)
    {
        var live = !Console.IsErrorRedirected && Environment.GetEnvironmentVariable("TERM") is not (null or "dumb");
        return new ProgressLine(Console.Error, total, live, live ? Width() : 120);
    }

    /// <summary>Progress of the rank that talks; the others are silent.</summary>
    public static IRunProgress Progress(long total, RankSession ranks) => ranks.Leads ? Progress(total) : new Silence();

    /// <summary>What computes, for the manifest of a run.</summary>
    public static RunDevice Device()
    {
        var device = NativeDevice.GetInfo();
        return new RunDevice(device.Backend, device.Isa, device.DeviceName, device.NumThreads);
    }

    /// <summary>Backend and device in one line, e.g. <c>cuda (sm_90), 16 threads, NVIDIA H200</c>, and what keeps a GPU that is there from being used.</summary>
    public static string Describe(NativeDeviceInfo device) =>
        string.Create(CultureInfo.InvariantCulture, $"{device.Backend} ({device.Isa}), {device.NumThreads} threads, {device.DeviceName}")
        + (NativeDevice.WhyNotCuda is { } why ? $"; not on the GPU: {why}" : "");

    private sealed class Silence : IRunProgress
    {
        public void Took(long number, string text)
        {
        }

        public void Note(string text)
        {
        }

        public void Finish()
        {
        }
    }

    private static int Width()
    {
        try
        {
            return Console.WindowWidth;
        }
        catch (IOException)
        {
            return 120;
        }
    }
}
