using System.Text.Json;
using LlasaNative.Rewards;
using LlasaNative.Tests.Support;

namespace LlasaNative.Tests.Rewards;

public class CharacterErrorRateTests
{
    private static IEnumerable<string> Cases() => OracleData.Cases("cer", "pairs.jsonl");

    [TestCaseSource(nameof(Cases))]
    public void Compute_OfEveryOraclePair_GivesItsRate(string directory)
    {
        double tolerance = OracleData.Manifest(directory).GetProperty("tolerance").GetProperty("abs").GetDouble();
        Assert.Multiple(() =>
        {
            foreach (JsonElement row in OracleData.Rows(Path.Combine(directory, "pairs.jsonl")))
            {
                string reference = row.GetProperty("ref").GetString()!;
                string hypothesis = row.GetProperty("hyp").GetString()!;
                (int distance, int length) = CharacterErrorRate.Count(reference, hypothesis);
                Assert.That(distance, Is.EqualTo(row.GetProperty("distance").GetInt32()), reference);
                Assert.That(length, Is.EqualTo(row.GetProperty("ref_len").GetInt32()), reference);
                Assert.That(CharacterErrorRate.Compute(reference, hypothesis), Is.EqualTo(row.GetProperty("cer").GetDouble()).Within(tolerance));
            }

            string corpus = Path.Combine(directory, "corpus.jsonl");
            foreach (JsonElement row in File.Exists(corpus) ? OracleData.Rows(corpus) : [])
            {
                (int Distance, int Length)[] counts = [.. Texts(row, "refs").Zip(Texts(row, "hyps"), CharacterErrorRate.Count)];
                var cer = counts.Sum(c => c.Distance) / (double)counts.Sum(c => c.Length);
                Assert.That(cer, Is.EqualTo(row.GetProperty("cer").GetDouble()).Within(tolerance));
            }
        });
    }

    [Test]
    public void EditDistance_AgreesWithTheTable_AtAllLengthsAroundTheBlock([Values(0, 1, 2, 5, 63, 64, 65, 127, 128, 129, 200)] int length)
    {
        Random random = new(length + 1);
        for (int run = 0; run < 60; run++)
        {
            int[] a = [.. Enumerable.Range(0, length).Select(_ => random.Next(4))];
            int[] b = [.. Enumerable.Range(0, random.Next(2 * length + 2)).Select(_ => random.Next(4))];
            Assert.That(EditDistance.Compute(a, b), Is.EqualTo(Table(a, b)));
            Assert.That(EditDistance.Compute(b, a), Is.EqualTo(Table(a, b)));
            int[] near = [.. a.Select(v => random.Next(20) == 0 ? 9 : v)];
            Assert.That(EditDistance.Compute(a, near), Is.EqualTo(Table(a, near)));
        }
    }

    [TestCase("a b c", "a b c", 0)]
    [TestCase("a b c", "a x c d", 2.0 / 3)]
    [TestCase("", "a b", 2)]
    [TestCase("  a   b ", "a b", 0)]
    public void ComputeWords_CountsWords(string reference, string hypothesis, double expected) =>
        Assert.That(CharacterErrorRate.ComputeWords(reference, hypothesis), Is.EqualTo(expected).Within(1e-15));

    private static string[] Texts(JsonElement row, string key) => [.. row.GetProperty(key).EnumerateArray().Select(v => v.GetString()!)];

    /// <summary>The textbook table.</summary>
    private static int Table(int[] a, int[] b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int above = row[j];
                row[j] = Math.Min(Math.Min(row[j - 1], above) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[^1];
    }

    [TestCase("a b c", "a x c d", 2, 3)]
    [TestCase("a  b\tc", "a b\tc", 0, 2)]
    [TestCase("", "one two", 2, 0)]
    public void CountWords_GivesTheCountsBehindTheRate(string reference, string hypothesis, int edits, int words)
    {
        Assert.That(CharacterErrorRate.CountWords(reference, hypothesis), Is.EqualTo((edits, words)));
        Assert.That(CharacterErrorRate.ComputeWords(reference, hypothesis), Is.EqualTo(words == 0 ? edits : (double)edits / words));
    }
}
