using LlasaNative.Tests.Support;
using LlasaNative.Weights;

namespace LlasaNative.Tests.Weights;

/// <summary>Files that say how a model's features are made of a sound.</summary>
public sealed class FeatureExtractorTests
{
    private const string Preprocessor = "preprocessor_config.json";
    private const string Processor = "processor_config.json";

    private const string Whisper = "{\"model_type\":\"whisper\",\"d_model\":64,\"encoder_layers\":2,\"decoder_layers\":2,\"encoder_attention_heads\":4,\"decoder_attention_heads\":4,"
        + "\"encoder_ffn_dim\":128,\"decoder_ffn_dim\":128,\"vocab_size\":300,\"num_mel_bins\":128,\"max_source_positions\":1500}";

    private const string Codec = "{\"model_type\":\"xcodec2\",\"downsampling_ratios\":[2,2,4,4,5],\"semantic_model_config\":{}}";

    [TestCase(Preprocessor, """{"feature_size":80}""", "`feature_size`: 80 is not supported, expected 128, the `num_mel_bins`")]
    [TestCase(Preprocessor, """{"hop_length":320}""", "`hop_length`: 320 is not supported, expected 160")]
    [TestCase(Preprocessor, """{"n_fft":512}""", "`n_fft`: 512 is not supported, expected 400")]
    [TestCase(Preprocessor, """{"sampling_rate":8000}""", "`sampling_rate`: 8000 is not supported, expected 16000")]
    [TestCase(Preprocessor, """{"chunk_length":15}""", "`chunk_length`: 15 is not supported, expected 30 seconds")]
    [TestCase(Preprocessor, """{"padding_value":-1.0}""", "`padding_value`: -1.0 is not supported, expected 0")]
    [TestCase(Preprocessor, """{"dither":1e-5}""", "`dither`: 1e-5 is not supported, expected 0")]
    [TestCase(Preprocessor, """{"hop_length":"160"}""", "`hop_length`: \"160\" is not supported, expected 160")]
    [TestCase(Processor, """{"feature_extractor":{"hop_length":320}}""", "`feature_extractor.hop_length`: 320 is not supported, expected 160")]
    [TestCase(Processor, """{"audio_processor":{"hop_length":320}}""", "`audio_processor.hop_length`: 320")]
    public void MyRecognisersFeaturesAreMadeOtherwise_AndItIsRefused(string file, string content, string expected)
    {
        Assert.That(() => ReadWhisper((file, content)), Throws.TypeOf<ModelFileException>().With.Message.Contains(file).And.Message.Contains(expected));
    }

    [Test]
    public void MyRecognisersFeatures_WithTheUsualNumbersOrNone_AreRead()
    {
        // As the public models have it; what the extractor computes anew, and null, count for nothing.
        const string Usual = """{"chunk_length":30,"feature_size":128,"hop_length":160,"n_fft":400,"n_samples":1,"nb_max_frames":2,"mel_filters":[[0.5]],"padding_value":0.0,"sampling_rate":16000,"dither":null}""";
        Assert.Multiple(() =>
        {
            Assert.That(ReadWhisper().MelBins, Is.EqualTo(128));
            Assert.That(ReadWhisper((Preprocessor, Usual)).MelBins, Is.EqualTo(128));
            Assert.That(ReadWhisper((Preprocessor, "{}"), (Processor, """{"processor_class":"WhisperProcessor"}""")).MelBins, Is.EqualTo(128));
            Assert.That(
                ReadWhisper((Preprocessor, """{"hop_length":320}"""), (Processor, """{"feature_extractor":{"hop_length":160}}""")).MelBins, Is.EqualTo(128),
                "Transformers 5 takes the processor's part and does not look at the other file");
        });
    }

    [TestCase("""{"sampling_rate":24000}""", "`sampling_rate`: 24000 is not supported, expected 16000", true)]
    [TestCase("""{"hop_length":480}""", "`hop_length`: 480 is not supported, expected 320", true)]
    [TestCase("""{"spec_hop_length":320}""", "`spec_hop_length`: 320 is not supported, expected 160", false)]
    [TestCase("""{"window_length":512}""", "`window_length`: 512 is not supported, expected 400", false)]
    [TestCase("""{"n_fft":400}""", "`n_fft`: 400 is not supported, expected 512", false)]
    [TestCase("""{"num_mel_bins":128}""", "`num_mel_bins`: 128 is not supported, expected 80", false)]
    [TestCase("""{"stride":1}""", "`stride`: 1 is not supported, expected 2", false)]
    [TestCase("""{"n_channels":2}""", "`n_channels`: 2 is not supported, expected 1", false)]
    [TestCase("""{"pre_padding_value":0.5}""", "`pre_padding_value`: 0.5 is not supported, expected 0", false)]
    public void MyCodecsFeaturesAreMadeOtherwise_AndItIsRefused(string content, string expected, bool alsoToDecode)
    {
        using var directory = Model(Codec, (Preprocessor, content));
        using var model = HuggingFaceDirectory.Open(directory.Path);
        Assert.That(() => alsoToDecode ? (object)Xcodec2Config.FromDirectory(model) : Xcodec2EncoderConfig.FromDirectory(model),
            Throws.TypeOf<ModelFileException>().With.Message.Contains(expected));
        Assert.That(() => alsoToDecode ? (object)Xcodec2EncoderConfig.FromDirectory(model) : Xcodec2Config.FromDirectory(model), Throws.Nothing);
    }

    private static WhisperConfig ReadWhisper(params (string Name, string Content)[] files)
    {
        using var directory = Model(Whisper, files);
        using var model = HuggingFaceDirectory.Open(directory.Path);
        return WhisperConfig.FromDirectory(model);
    }

    private static TemporaryDirectory Model(string config, params (string Name, string Content)[] files)
    {
        TemporaryDirectory directory = new();
        foreach (var (name, content) in files.Append(("config.json", config)))
        {
            directory.Write(name, content);
        }

        using SafeTensorsWriter writer = new(directory.File("model.safetensors"), [new TensorInfo("a", TensorType.F32, 1)]);
        writer.Write("a", [1f]);
        writer.Complete();
        return directory;
    }
}
