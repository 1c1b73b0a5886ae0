using System.Buffers.Binary;
using System.Globalization;
using LlasaNative.Data.Parquet;
using LlasaNative.Tests.Support;

namespace LlasaNative.Tests.Data.Parquet;

/// <summary>A damaged file gives rows or a <see cref="ParquetException"/>; never another error, a hang or much memory.</summary>
/// <remarks>
/// <c>LLASA_FUZZ_COUNT</c> sets the number of mutated files, <c>LLASA_FAULT_SEED</c> which. The limits for one file: 10 s of processor time (a minute by
/// the clock, for one that hangs without computing), 400 MiB of managed allocations in all, and 400 MiB by which the process grows at most, native
/// memory included: far above what a sound file of that size takes (about 2 MiB) and far below what a believed lie of 2 GiB would take. A crash of the
/// native reader would end the whole test run.
/// </remarks>
[NonParallelizable]
public class ParquetFuzzTests
{
    private const long MostBytes = 400L << 20;
    private static readonly TimeSpan _longest = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(1);

    private static int Count => Number("LLASA_FUZZ_COUNT", 2000);

    private static int Seed => 4710 + Number("LLASA_FAULT_SEED", 1);

    private static byte[][] Sources { get; } =
        [.. OracleData.Cases("parquet").SelectMany(d => Directory.GetFiles(d, "*.parquet").Order(StringComparer.Ordinal)).Select(File.ReadAllBytes)];

    [Test]
    public void Read_OfMutatedFiles_GivesRowsOrAParquetException()
    {
        TestContext.Out.WriteLine($"seed {Seed}, {Count} files");
        Random random = new(Seed);
        (int rejected, long worstBytes, TimeSpan worstTime, long allBytes, long worstGrowth) = (0, 0, TimeSpan.Zero, 0, 0);
        for (int i = 0; i < Count; i++)
        {
            byte[] file = Mutate(Sources[i % Sources.Length], random);
            long before = StartPeak();
            (bool isRead, long bytes, TimeSpan time) = Watched(file, $"file {i}");
            long growth = ResidentBytes("VmHWM") - before;
            rejected += isRead ? 0 : 1;
            allBytes += bytes;
            (worstBytes, worstTime, worstGrowth) = (Math.Max(worstBytes, bytes), time > worstTime ? time : worstTime, Math.Max(worstGrowth, growth));
            Assert.That(bytes, Is.LessThan(MostBytes), $"file {i} made the reader allocate {bytes >> 20} MiB");
            Assert.That(growth, Is.LessThan(MostBytes), $"file {i} made the process grow by {growth >> 20} MiB");
            Assert.That(time, Is.LessThan(_longest), $"file {i} took {time}");
        }

        TestContext.Out.WriteLine(
            $"{rejected} refused, {Count - rejected} read; most {worstBytes >> 10} KiB allocated, mean {allBytes / Count >> 10} KiB; process grew by at most {worstGrowth >> 10} KiB; longest {worstTime.TotalMilliseconds:F0} ms");
        Assert.That(rejected, Is.GreaterThan(Count / 2));
        Assert.That(rejected, Is.LessThan(Count), "some changes do no harm");
    }

    [Test]
    public void Read_OfAFileCutAnywhere_GivesAParquetException()
    {
        foreach (byte[] file in Sources.OrderBy(f => f.Length).Take(3))
        {
            for (int length = 0; length < file.Length; length++)
            {
                Assert.That(ReadAll(file[..length]), Is.False, $"{length} of {file.Length} bytes");
            }
        }
    }

    [Test]
    public void Read_OfAFileWithAnyByteOfItsFooterChanged_GivesRowsOrAParquetException()
    {
        byte[] file = Sources.OrderBy(f => f.Length).First();
        int start = file.Length - 8 - BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(file.Length - 8));
        for (int at = start; at < file.Length; at++)
        {
            foreach (byte flip in (byte[])[0x01, 0x10, 0x80, 0xFF])
            {
                byte[] copy = [.. file];
                copy[at] ^= flip;
                _ = ReadAll(copy);
            }
        }
    }

    private static int Number(string variable, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out int number) ? number : otherwise;

    /// <summary>Starts the highest resident size anew, and gives the present one.</summary>
    private static long StartPeak()
    {
        File.WriteAllText("/proc/self/clear_refs", "5");
        return ResidentBytes("VmRSS");
    }

    private static long ResidentBytes(string which) =>
        long.Parse(File.ReadLines("/proc/self/status").First(line => line.StartsWith(which, StringComparison.Ordinal))[(which.Length + 1)..^2], CultureInfo.InvariantCulture) << 10;

    /// <summary>Reads on a thread of its own, so that a reader that hangs ends the test.</summary>
    private static (bool IsRead, long Bytes, TimeSpan Time) Watched(byte[] file, string what)
    {
        (bool IsRead, long Bytes, TimeSpan Time) outcome = default;
        Exception? error = null;
        Thread thread = new(() =>
        {
            try
            {
                TimeSpan start = Environment.CpuUsage.TotalTime;
                bool isRead = ReadAll(file);
                outcome = (isRead, GC.GetAllocatedBytesForCurrentThread(), Environment.CpuUsage.TotalTime - start);
            }
            catch (Exception e)
            {
                error = e;
            }
        }) { IsBackground = true };
        thread.Start();
        Assert.That(thread.Join(_patience), $"{what} hangs");
        Assert.That(error, Is.Null, what);
        return outcome;
    }

    /// <summary>Reads everything there is; false when it is refused as it should be.</summary>
    private static bool ReadAll(byte[] bytes)
    {
        try
        {
            using ParquetReader reader = ParquetReader.Open(new MemoryStream(bytes), "mutated", verifyChecksums: false);
            foreach (ParquetRow _ in reader.ReadRows())
            {
            }

            return true;
        }
        catch (ParquetException e)
        {
            Assert.That(e.Message, Does.StartWith("mutated: ").And.Not.Contain('\n'));
            return false;
        }
    }

    private static byte[] Mutate(byte[] valid, Random random)
    {
        byte[] copy = [.. valid];
        int footer = BinaryPrimitives.ReadInt32LittleEndian(valid.AsSpan(valid.Length - 8));
        int footerStart = valid.Length - 8 - footer;
        switch (random.Next(6))
        {
            case 0:
                // Cut, with the end put back so that the footer is still found.
                int cut = random.Next(4, footerStart);
                return [.. valid[..cut], .. valid[footerStart..]];
            case 1:
                return valid[..random.Next(valid.Length)];
            case 2:
                for (int k = random.Next(1, 9); k > 0; k--)
                {
                    copy[random.Next(copy.Length)] ^= (byte)(1 << random.Next(8));
                }

                return copy;
            case 3:
                for (int k = random.Next(1, 4); k > 0; k--)
                {
                    copy[footerStart + random.Next(footer)] = (byte)random.Next(256);
                }

                return copy;
            case 4:
                // A length that lies: large and small numbers over four bytes, or a long variable-length integer.
                int at = random.Next(copy.Length - 12);
                int[] lies = [int.MaxValue, int.MinValue, -1, 0, 1 << 30, 0x7FFFFFF0, random.Next()];
                BinaryPrimitives.WriteInt32LittleEndian(copy.AsSpan(at), lies[random.Next(lies.Length)]);
                return copy;
            default:
                // Bytes are missing or too many somewhere among the pages.
                int from = random.Next(4, footerStart);
                byte[] extra = new byte[random.Next(0, 9)];
                random.NextBytes(extra);
                int drop = Math.Min(random.Next(0, 9), footerStart - from);
                return [.. valid[..from], .. extra, .. valid[(from + drop)..]];
        }
    }
}
