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
                reader.Columns,
                Is.EqualTo(file.GetProperty("columns").EnumerateArray().Select(c => c.GetString())));
        });
    }
}
