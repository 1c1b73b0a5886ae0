using System.Text;
using LlasaNative.Training;
using LlasaNative.Weights;

namespace LlasaNative.Tests.Reporting;

public sealed class JsonWritingTests
{
    [Test]
    public void ToFile_KeepsOrderAndKeys_NamesInSnakeCase_AndWritesWhatIsNoNumberAsNull()
    {
        var file = Encoding.UTF8.GetString(JsonWriting.ToFile(new
        {
            P50Ms = 1.5,
            Ci95 = new[] { double.NaN, 2 },
            Absent = (string?)null,
            NoNumber = (double?)double.PositiveInfinity,
            Estimate = new IntervalEstimate(1, double.NegativeInfinity, 3),
            Keys = new Dictionary<string, string> { ["run.Out"] = "größer" },
        }));
        Assert.That(file, Is.EqualTo("""
            {
              "p50_ms": 1.5,
              "ci95": [
                null,
                2
              ],
              "no_number": null,
              "estimate": {
                "value": 1,
                "low": null,
                "high": 3
              },
              "keys": {
                "run.Out": "größer"
              }
            }

            """));
    }
}
