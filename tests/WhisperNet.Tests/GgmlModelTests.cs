using LlasaNative.Tests.Support;
using LlasaNative.Weights;

namespace LlasaNative.WhisperNet.Tests;

/// <summary>Likelihoods by whisper.cpp against Transformers in float64.</summary>
public class GgmlModelTests
{
    private static string File(string name) => Path.Combine(OracleData.RepositoryRoot, "tests", "fixtures", "whisper_ggml", name + ".bin");

    private static IEnumerable<TestCaseData> Inputs() => OracleData.Cases("whisper_tiny").Where(c => System.IO.File.Exists(File(Path.GetFileName(c))))
        .SelectMany(c => OracleData.Manifest(c).GetProperty("inputs").EnumerateArray().Select(i => new TestCaseData(c, i.GetProperty("index").GetInt32())
            .SetArgDisplayNames(Path.GetFileName(c), i.GetProperty("index").ToString())));

    [TestCaseSource(nameof(Inputs))]
    public void Likelihood_OfEveryTarget_IsTheReferences(string folder, int index)
    {
        var input = OracleData.Manifest(folder).GetProperty("inputs")[index];
        using var expected = SafeTensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        using var model = GgmlModel.Load(File(Path.GetFileName(folder)));
        using (var state = model.Borrow())
        {
            if (expected.Contains($"in{index}.input_features"))
            {
                state.HearFeatures(expected.ReadFloats($"in{index}.input_features"));
            }
            else if (input.GetProperty("features").GetString()!.StartsWith("formula a=", StringComparison.Ordinal))
            {
                var phase = double.Parse(input.GetProperty("features").GetString()![10..].Split(',')[0], System.Globalization.CultureInfo.InvariantCulture);
                state.HearFeatures(Formula(model.Header.MelBins, 2 * model.Header.AudioContext, phase));
            }
            else
            {
                var wave = Audio.WaveFile.Read(Path.Combine(OracleData.RepositoryRoot, "tests", "fixtures", "whisper_mel", "log_mel", "synthetic.wav"));
                state.Hear(wave.Samples.Span);
            }

            var bound = Ggml.LogProbBound(Path.Combine(folder, "model"));
            foreach (var target in input.GetProperty("targets").EnumerateArray())
            {
                int[] ids = [.. target.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];
                var nll = state.MeanNll(ids, target.GetProperty("first_scored_index").GetInt32());
                TestContext.Out.WriteLine($"{nll - target.GetProperty("mean_nll").GetDouble():e2}, bound {bound:e2}");
                Assert.That(nll, Is.EqualTo(target.GetProperty("mean_nll").GetDouble()).Within(bound), target.GetRawText());
            }
        }
    }

    [Test]
    public void Step_AfterAnotherSequence_ForgetsIt()
    {
        using var model = GgmlModel.Load(File("d64_v300"));
        using var state = model.Borrow();
        state.HearFeatures(Formula(80, 300, 0));
        var once = state.MeanNll([221, 104, 112, 220], 1);
        state.MeanNll([221, 184, 7, 31, 220], 1);
        Assert.That(state.MeanNll([221, 104, 112, 220], 1), Is.EqualTo(once));
    }

    [Test]
    public void Load_OfACutFile_NamesIt([Values(3, 40, 70_000, 400_000)] int length)
    {
        using TemporaryDirectory folder = new();
        var path = Path.Combine(folder.Path, "cut.bin");
        System.IO.File.WriteAllBytes(path, System.IO.File.ReadAllBytes(File("d64_v300"))[..length]);
        Assert.That(() => GgmlModel.Load(path), Throws.TypeOf<ModelFileException>().With.Message.Contains("cut.bin"));
    }

    [Test]
    public void Load_OfAnotherFormat_SaysWhatItExpected()
    {
        using TemporaryDirectory folder = new();
        var path = Path.Combine(folder.Path, "model.bin");
        System.IO.File.WriteAllBytes(path, [.. "GGUF"u8, .. new byte[100]]);
        Assert.That(() => GgmlModel.Load(path), Throws.TypeOf<ModelFileException>().With.Message.Contains("magic").And.Message.Contains("expected 0x67676d6c"));
    }

    private static float[] Formula(int bins, int frames, double phase) =>
        [.. Enumerable.Range(0, bins).SelectMany(m => Enumerable.Range(0, frames).Select(t =>
            (float)((0.5 * Math.Sin((0.05 * t * (1 + (m / 40.0))) + phase)) + (0.3 * Math.Cos((0.3 * m) + (0.00002 * t * t))) - 0.2)))];
}
