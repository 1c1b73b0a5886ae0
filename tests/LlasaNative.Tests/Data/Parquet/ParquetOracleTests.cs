using System.Text.Json;
using LlasaNative.Data.Parquet;
using LlasaNative.Tests.Support;

namespace LlasaNative.Tests.Data.Parquet;

/// <summary>Every file of the oracle family gives the rows that pyarrow wrote.</summary>
public class ParquetOracleTests
{
    public static IEnumerable<TestCaseData> Files() =>
        from directory in OracleData.Cases("parquet")
        from file in OracleData.Manifest(directory).GetProperty("files").EnumerateArray()
        let name = file.GetProperty("file").GetString()
        select new TestCaseData(directory, file).SetArgDisplayNames(
            directory.Contains("fixtures", StringComparison.Ordinal) ? "fixtures" : "shared", name);

    [TestCaseSource(nameof(Files))]
    public void ReadRows_OfAnOracleFile_GivesItsRows(string directory, JsonElement file)
    {
        string path = Path.Combine(directory, file.GetProperty("file").GetString()!);
        string[] expected = [.. File.ReadLines(Path.Combine(directory, file.GetProperty("rows_file").GetString()!)).Where(l => l.Length > 0)];
        using ParquetReader reader = ParquetReader.Open(path);
        int row = 0;
        foreach (ParquetRow actual in reader.ReadRows())
        {
            Assert.That(row, Is.LessThan(expected.Length));
            ParquetJson.AssertEqual(actual, expected[row], $"{path} row {row}");
            row++;
        }

        Assert.Multiple(() =>
        {
            Assert.That(row, Is.EqualTo(expected.Length));
            Assert.That(reader.RowCount, Is.EqualTo(file.GetProperty("rows").GetInt64()));
            Assert.That(reader.RowGroups, Has.Count.EqualTo(file.GetProperty("row_groups").GetInt32()));
            Assert.That(
                reader.Schema.Columns.Select(c => c.Path),
                Is.EqualTo(file.GetProperty("columns").EnumerateArray().Select(c => c.GetString())));
        });
    }

    [TestCaseSource(nameof(Files))]
    public void ReadColumn_OfAnOracleFile_AgreesWithItsFooter(string directory, JsonElement file)
    {
        using ParquetReader reader = ParquetReader.Open(Path.Combine(directory, file.GetProperty("file").GetString()!));
        for (int g = 0; g < reader.RowGroups.Count; g++)
        {
            foreach (ParquetField column in reader.Schema.Columns.Where(c => c.PhysicalType == ParquetPhysicalType.ByteArray))
            {
                ParquetColumnChunk chunk = reader.RowGroups[g].Columns[column.ColumnIndex];
                ParquetColumnData<ReadOnlyMemory<byte>> data = reader.ReadColumn<ReadOnlyMemory<byte>>(g, column);
                Assert.That(data.DefinitionLevels, Has.Length.EqualTo(chunk.ValueCount));
                Assert.That(data.RepetitionLevels.Count(level => level == 0), Is.EqualTo(reader.RowGroups[g].RowCount));
                if (chunk.Statistics is { Minimum: { } minimum, Maximum: { } maximum, IsMinimumExact: true, IsMaximumExact: true } known
                    && column.LogicalType.Kind == ParquetLogicalKind.Text && data.Values.Length > 0)
                {
                    Assert.That(data.Values.Min(v => Convert.ToHexString(v.Span)), Is.EqualTo(Convert.ToHexString(minimum.Span)));
                    Assert.That(data.Values.Max(v => Convert.ToHexString(v.Span)), Is.EqualTo(Convert.ToHexString(maximum.Span)));
                    Assert.That(data.DefinitionLevels.Length - data.Values.Length, Is.EqualTo(known.NullCount));
                }
            }
        }
    }
}
