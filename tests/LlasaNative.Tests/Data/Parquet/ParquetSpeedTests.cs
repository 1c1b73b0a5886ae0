using LlasaNative.Data.Parquet;
using LlasaNative.Tests.Support;

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

    [Test]
    public void Read_OfManyRowGroups_KeepsMemoryFlat()
    {
        using TemporaryDirectory directory = new();
        string path = directory.File("flat.parquet");
        Random random = new(2);
        using (ParquetWriter writer = ParquetWriter.Create(path, VerlFile.Schema(), new ParquetWriteOptions { RowGroupRows = 500 }))
        {
            for (int i = 0; i < 20_000; i++)
            {
                writer.Write(VerlFile.Values(VerlRow.ForText(Sentence(random), "flat", "train", i)));
            }

            writer.Complete();
        }

        using ParquetReader reader = ParquetReader.Open(path);
        (long early, long late, int row) = (0, 0, 0);
        foreach (ParquetRow _ in reader.ReadRows())
        {
            if (++row is 2_000)
            {
                early = GC.GetTotalMemory(forceFullCollection: true);
            }
            else if (row is 19_900)
            {
                late = GC.GetTotalMemory(forceFullCollection: true);
            }
        }

        // The rows alone would be about 10 MiB.
        Assert.That(late - early, Is.LessThan(2L << 20));
    }

    private static double Seconds(TimeSpan start) => (Environment.CpuUsage.TotalTime - start).TotalSeconds;

    private static string Sentence(Random random) =>
        string.Join(' ', Enumerable.Range(0, random.Next(5, 20)).Select(_ => $"w{random.Next(5000)}"));
}
