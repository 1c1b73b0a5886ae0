namespace LlasaNative.Engine;

/// <summary>What NCCL takes of a GPU's memory for itself, which no call of it tells.</summary>
/// <remarks>
/// From its sources (2.14 to 2.21): at most 32 channels, which ranks connect as one ring and one tree of up to three children each; a connection has a
/// buffer for each of three protocols where it receives. Its variables that change these are read. What it takes for multicast by NVSwitch is
/// not known and not in it. <b>Threads:</b> any.
/// </remarks>
internal static class NcclMemory
{
    private const long Channels = 32, ConnectionsOfAChannel = 5, Simple = 1 << 22, Ll = 8L * 512 * 8 * 16, Ll128 = 120L * 640 * 8 * 8;

    /// <summary>An upper bound in bytes.</summary>
    /// <param name="environment">Reads a variable of the environment.</param>
    public static long Estimate(Func<string, string?> environment)
    {
        ArgumentNullException.ThrowIfNull(environment);
        var channels = Math.Min(Read("NCCL_MAX_NCHANNELS", Channels), Channels);
        return channels * ConnectionsOfAChannel * (Read("NCCL_BUFFSIZE", Simple) + Read("NCCL_LL_BUFFSIZE", Ll) + Read("NCCL_LL128_BUFFSIZE", Ll128));

        long Read(string name, long usual) =>
            long.TryParse(environment(name), NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value > 0 ? value : usual;
    }
}
