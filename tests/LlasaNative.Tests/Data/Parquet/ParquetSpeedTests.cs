using System.Globalization;
using LlasaNative.Data.Parquet;
using LlasaNative.Tests.Support;
using ParquetSharp;

namespace LlasaNative.Tests.Data.Parquet;

/// <summary>
/// Reads 100,000 rows of verl's schema and says how much processor time it took, all threads together; <c>tests/oracle/time_parquet.py</c> times pyarrow's
/// <c>to_pylist</c> on the same file, which stays in <c>$LLASA_PARQUET_OUT</c>.
/// </summary>
[NonParallelizable]
public class ParquetSpeedTests
{
    private const int Rows = 100_000;

    [Test, Explicit("a measurement")]
    public void Read_OfAHundredThousandRows_SaysItsTime()
    {
        using TemporaryDirectory directory = new();
        string folder = Environment.GetEnvironmentVariable("LLASA_PARQUET_OUT") is { Length: > 0 } given ? given : directory.Path;
        string path = Path.Combine(folder, "speed.parquet");
        Random random = new(1);
        TimeSpan start = Environment.CpuUsage.TotalTime;
        VerlFile.Write(path, [.. Enumerable.Range(0, Rows).Select(i => VerlRow.ForText(Sentence(random), "speed", "train", i))]);
        TestContext.Out.WriteLine($"written in {Seconds(start):F2} s, {new FileInfo(path).Length >> 20} MiB");
        List<double> rowTimes = [];
        List<double> verlTimes = [];
        for (int repeat = 0; repeat < 7; repeat++)
        {
            start = Environment.CpuUsage.TotalTime;
            using (ParquetReader reader = ParquetReader.Open(path))
            {
                Assert.That(reader.ReadRows().Count(), Is.EqualTo(Rows));
            }

            rowTimes.Add(Seconds(start));
            start = Environment.CpuUsage.TotalTime;
            Assert.That(VerlFile.Read(path).Count(), Is.EqualTo(Rows));
            verlTimes.Add(Seconds(start));
        }

        TestContext.Out.WriteLine($"rows: median {rowTimes.Order().ElementAt(3):F3} s, best {rowTimes.Min():F3} s");
        TestContext.Out.WriteLine($"VerlRow: median {verlTimes.Order().ElementAt(3):F3} s, best {verlTimes.Min():F3} s");
    }

    /// <summary><c>LLASA_PARQUET_ROWS</c> makes the file larger; a row takes about 150 bytes of it.</summary>
    [Test]
    public void WriteAndRead_OfManyRowGroups_KeepMemoryFlat()
    {
        int rows = int.TryParse(Environment.GetEnvironmentVariable("LLASA_PARQUET_ROWS"), CultureInfo.InvariantCulture, out int given) ? given : 20_000;
        int group = Math.Max(500, rows / 800);
        using TemporaryDirectory directory = new();
        string path = directory.File("flat.parquet");
        Random random = new(2);
        List<long> written = [];
        using (ParquetWriter writer = ParquetWriter.Create(path, VerlFile.Schema(), new ParquetWriteOptions { RowGroupRows = group }))
        {
            for (int i = 0; i < rows; i++)
            {
                writer.Write(VerlFile.Values(VerlRow.ForText(Sentence(random), "flat", "train", i)));
                Sample(written, i, rows, group);
            }

            writer.Complete();
        }

        List<long> read = [];
        using (ParquetReader reader = ParquetReader.Open(path))
        {
            int row = 0;
            foreach (ParquetRow _ in reader.ReadRows())
            {
                Sample(read, row++, rows, group);
            }

            Assert.That(row, Is.EqualTo(rows));
        }

        // The C++ library keeps the metadata of row groups outside its pool: what grows here is held by mistake.
        long growth = 2L << 20;
        TestContext.Out.WriteLine(
            $"{new FileInfo(path).Length >> 20} MiB in {rows / group} row groups; growth after the first tenth: writing {Growth(written) >> 10} KiB, reading {Growth(read) >> 10} KiB");
        Assert.That(Growth(written), Is.LessThan(growth));
        // The rows of the short version alone would be about 10 MiB.
        Assert.That(Growth(read), Is.LessThan(growth));
    }

    /// <summary>Live memory ten times on the way, each time in the middle of a row group, where as much of it is held as the last time.</summary>
    private static void Sample(List<long> live, int row, int rows, int group)
    {
        MemoryPool pool = MemoryPool.GetDefaultMemoryPool();
        int tenth = rows / 10 / group * group;
        if (row % tenth == group / 2 && row > tenth)
        {
            live.Add(GC.GetTotalMemory(forceFullCollection: true) + pool.BytesAllocated);
        }
    }

    private static long Growth(List<long> live) => live.Max() - live[0];

    private static double Seconds(TimeSpan start) => (Environment.CpuUsage.TotalTime - start).TotalSeconds;

    private static string Sentence(Random random) =>
        string.Join(' ', Enumerable.Range(0, random.Next(5, 20)).Select(_ => $"w{random.Next(5000)}"));
}
