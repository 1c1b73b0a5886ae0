using System.Text.Json;
using LlasaNative.Rewards;
using LlasaNative.Tests.Support;

namespace LlasaNative.Onnx.Tests;

/// <summary>Against onnx's reference evaluator and Transformers' spectrogram (tests/oracle/gen_onnx.py).</summary>
public sealed class OnnxComponentTests
{
    private static readonly string Fixtures = Path.Combine(OracleData.RepositoryRoot, "tests", "fixtures", "onnx");
    private static readonly JsonElement Case = JsonDocument.Parse(File.ReadAllText(Path.Combine(Fixtures, "case.json"))).RootElement;

    private static float[] Sound(string name) => [.. Case.GetProperty(name).EnumerateArray().Select(v => v.GetInt16() / 32768f)];

    private static double[] Numbers(string name) => [.. Case.GetProperty(name).EnumerateArray().Select(v => v.GetDouble())];

    private static string Model(string name) => Path.Combine(Fixtures, name + ".onnx");

    private static RewardInput Input(float[]? sound = null, float[]? voice = null, int sampleRate = 16_000) => new(
        new SpeechSample
        {
            Reference = "", Transcript = "", Nll = 0, Sound = sound ?? Sound("sound"), VoiceSound = voice is null ? null : (ReadOnlyMemory<float>?)voice, SampleRate = sampleRate,
        },
        new RewardModel().Score(new SpeechSample { Reference = "a", Transcript = "a", Nll = 0 }), 0);

    // Sums of 5,000 float32 products, the largest next to 1: 24 bits, with the square root of the count on the safe side.
    private const double OfSums = 1e-5;

    [TestCase(0)]
    [TestCase(1)]
    public void Score_OfAModelOfSamples_IsTheValueAtTheIndex(int index) =>
        Assert.That(new OnnxComponent { Model = Model("level"), Index = index }.Score(Input()), Is.EqualTo(Numbers("level")[index]).Within(OfSums));

    [Test]
    public void Score_OfAModelThatTakesASecond_RepeatsAShortSound() =>
        Assert.That(new OnnxComponent { Model = Model("level_of_a_second") }.Score(Input()), Is.EqualTo(Numbers("level_of_a_second")[0]).Within(OfSums));

    [Test]
    public void Score_OfAModelThatTakesASecond_IsTheMeanOverALongSoundsWindows()
    {
        // 2.5 s: windows at 0 and 1 s, of which the second is silent.
        float[] sound = [.. Sound("sound"), .. new float[40_000 - Sound("sound").Length]];
        OnnxComponent component = new() { Model = Model("level_of_a_second"), Index = 1 };
        Assert.That(component.Score(Input(sound)), Is.EqualTo(Sound("sound").Max() / 2).Within(1e-6));
    }

    [Test]
    public void Score_IsMappedBetweenLowAndHigh() =>
        Assert.That(new OnnxComponent { Model = Model("level"), Low = -1, High = 3 }.Score(Input()), Is.EqualTo((Numbers("level")[0] + 1) / 4).Within(OfSums));

    [Test]
    public void LogMel_IsKaldis()
    {
        var bands = new LogMelBands(16_000, 80).Compute(Sound("sound"));
        var expected = Numbers("log_mel");
        Assert.That(bands.GetLength(0), Is.EqualTo(Case.GetProperty("frames").GetInt32()));
        for (var i = 0; i < expected.Length; i++)
        {
            // Both in float64, rounded to float32 values of at most 16: half a step of those.
            Assert.That(bands[i / 80, i % 80], Is.EqualTo(expected[i]).Within(2e-6), $"frame {i / 80}, band {i % 80}");
        }
    }

    [TestCase("speaker")]
    [TestCase("speaker_bands_first")]
    public void Score_OfAnEmbedding_IsItsCosineWithTheVoices(string model)
    {
        OnnxComponent component = new() { Model = Model(model), Features = OnnxFeatures.LogMel, Similarity = true };
        Assert.That(component.Faults(), Is.Empty);
        Assert.That(component.Score(Input(voice: Sound("voice"))), Is.EqualTo(Case.GetProperty("similarity").GetDouble()).Within(OfSums));
        Assert.That(component.Score(Input(voice: Sound("sound"))), Is.EqualTo(1).Within(OfSums), "itself");
    }

    [Test]
    public void Score_OfAnEmbeddingWithoutAVoice_SaysWhereVoicesComeFrom() =>
        Assert.That(
            () => new OnnxComponent { Model = Model("speaker"), Features = OnnxFeatures.LogMel, Similarity = true }.Score(Input()),
            Throws.InvalidOperationException.With.Message.Contains("data.voices"));

    [Test]
    public void Score_OfAnotherRate_IsOfTheResampledSound()
    {
        float[] slow = [.. Enumerable.Range(0, 24_000).Select(i => 0.5f * MathF.Sin(2 * MathF.PI * 440 * i / 24_000f))];
        // A sine's root mean square is its amplitude over the root of 2, at any rate; the ends of resampling cost a thousandth of a second's.
        Assert.That(new OnnxComponent { Model = Model("level") }.Score(Input(slow, sampleRate: 24_000)), Is.EqualTo(1 / Math.Sqrt(2)).Within(2e-3));
    }

    [Test]
    public void Score_OfNothingOrLittle_IsANumber()
    {
        Assert.That(new OnnxComponent { Model = Model("level") }.Score(Input([])), Is.Zero);
        OnnxComponent speaker = new() { Model = Model("speaker"), Features = OnnxFeatures.LogMel };
        Assert.That(double.IsFinite(speaker.Score(Input(new float[10]))), Is.True);
    }

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(320)]
    public void Score_OfLessThanAModelsFilterTakes_IsThatOfTheSoundWithSilenceBehind(int samples)
    {
        var sound = Sound("sound")[..samples];
        OnnxComponent component = new() { Model = Model("framed") };
        Assert.That(component.Score(Input(sound)), Is.EqualTo(component.Score(Input([.. sound, .. new float[1600 - samples]]))));
    }

    [Test]
    public void Score_OfAnEmbeddingOfNothing_IsThatOfNoVoice()
    {
        OnnxComponent component = new() { Model = Model("speaker"), Features = OnnxFeatures.LogMel, Similarity = true };
        Assert.That(component.Score([Input([], Sound("voice")), Input(Sound("sound"), new float[16_000]), Input(Sound("voice"), Sound("voice"))]), Is.EqualTo(new[] { 0, 0, 1 }).Within(OfSums));
    }

    [Test]
    public void Score_OfAnOutputThatGrowsWithTheSound_SaysThatItIsNoEmbedding() => Assert.That(
        () => new OnnxComponent { Model = Model("responses"), Similarity = true }.Score(Input(voice: Sound("voice"))),
        Throws.InvalidOperationException.With.Message.Contains("no embedding"));

    // Products of a batch are summed in another order than those of one: as for any sum above.
    [TestCase("level", "", OnnxFeatures.Waveform)]
    [TestCase("level_of_a_second", "", OnnxFeatures.Waveform)]
    [TestCase("speaker", "", OnnxFeatures.LogMel)]
    [TestCase("speaker_bands_first", "", OnnxFeatures.LogMel)]
    [TestCase("speaker_lengths", "lengths", OnnxFeatures.LogMel)]
    [TestCase("mixing", "", OnnxFeatures.Waveform)]   // which only says that it takes several
    [TestCase("single", "", OnnxFeatures.Waveform)]
    public void Score_OfSeveral_IsThatOfEach(string model, string lengths, OnnxFeatures features)
    {
        var similarity = features == OnnxFeatures.LogMel;
        OnnxComponent component = new() { Model = Model(model), Lengths = lengths, Features = features, Similarity = similarity, Batch = 3 };
        var (a, b) = (Sound("sound"), Sound("voice"));
        float[] half = [.. a.Select(v => v / 2)];
        RewardInput[] inputs =
        [
            Input(a, b), Input(b, a), Input(half, b), Input([], a), Input([.. a, .. half, .. a, .. half], b), Input([.. a.Reverse()], [.. b.Reverse()]), Input([.. b.Reverse()], a),
        ];
        var several = component.Score(inputs);
        for (var i = 0; i < inputs.Length; i++)
        {
            Assert.That(several[i], Is.EqualTo(new OnnxComponent { Model = Model(model), Lengths = lengths, Features = features, Similarity = similarity }.Score(inputs[i])).Within(OfSums), $"sound {i}");
        }

        Assert.That(several.Distinct().Count(), Is.GreaterThan(3), "they differ");
    }

    [TestCase("level", "", OnnxFeatures.Waveform, 2)]            // 3 sounds of one length, 1 of another
    [TestCase("level_of_a_second", "", OnnxFeatures.Waveform, 1)]   // all are repeated to a second
    [TestCase("speaker", "", OnnxFeatures.LogMel, 2)]
    [TestCase("speaker_lengths", "lengths", OnnxFeatures.LogMel, 1)]
    [TestCase("mixing", "", OnnxFeatures.Waveform, 4)]
    [TestCase("single", "", OnnxFeatures.Waveform, 4)]
    public void Score_OfSeveral_RunsTheModelAsOftenAsLengthsDiffer(string model, string lengths, OnnxFeatures features, int runs)
    {
        OnnxComponent component = new() { Model = Model(model), Lengths = lengths, Features = features };
        var (a, b) = (Sound("sound"), Sound("voice"));
        component.Score([Input(a), Input(b)]);   // whether it takes several is found out once
        var loaded = OnnxModel.Load(Model(model), "", lengths, "");
        var before = loaded.Runs;
        component.Score([Input(a), Input(b), Input([.. a.Reverse()]), Input(a)]);
        Assert.That(loaded.Runs - before, Is.EqualTo(runs));
    }

    [TestCase("level", "pcm", "", "no input `pcm`; it has waveform")]
    [TestCase("level", "", "mos", "no output `mos`; it has scores")]
    [TestCase("speaker", "", "", "`feats` is [any, any, 80], expected [samples]")]
    public void Faults_OfAModelThatDoesNotFit_NameWhatItHas(string model, string input, string output, string expected) =>
        Assert.That(new OnnxComponent { Model = Model(model), Input = input, Output = output }.Faults().Single(), Does.Contain(expected));

    [TestCase("level", "lengths", "no input `lengths`; it has waveform")]
    [TestCase("speaker_lengths", "", "it has the inputs feats, lengths, expected one, and one that `lengths` names")]
    [TestCase("speaker_lengths", "feats", "`feats` is Single, expected Int64")]
    public void Faults_OfLengths_NameWhatTheModelHas(string model, string lengths, string expected) =>
        Assert.That(new OnnxComponent { Model = Model(model), Lengths = lengths, Features = OnnxFeatures.LogMel }.Faults().Single(), Does.Contain(expected));

    [Test]
    public void Faults_OfWhatIsNoModel_NameTheFile()
    {
        using TemporaryDirectory folder = new();
        var path = Path.Combine(folder.Path, "mos.onnx");
        File.WriteAllText(path, "<html>not found</html>");
        Assert.That(new OnnxComponent { Model = path }.Faults().Single(), Does.Contain(path));
        Assert.That(new OnnxComponent { Model = path + "x" }.Faults().Single(), Does.Contain("no such file"));
        Assert.That(new OnnxComponent().Faults().Single(), Does.Contain("names no file"));
        Assert.That(new OnnxComponent { Model = Model("level"), Low = 2, High = 2 }.Faults().Single(), Does.Contain("low < high"));
    }

    [Test]
    public void Name_IsTheFilesUnlessItIsCalledSomething()
    {
        Assert.That(new OnnxComponent { Model = "a/utmos.onnx" }.Name, Is.EqualTo("utmos"));
        Assert.That(new OnnxComponent { Model = "a/utmos.onnx", Called = "mos" }.Name, Is.EqualTo("mos"));
    }
}
