using System.Runtime.InteropServices;
using LlasaNative.Audio;
using LlasaNative.Models;
using LlasaNative.Weights;

namespace LlasaNative.EndToEnd.Tests;

public sealed class SpeechCodecTests : TinyWorldTests
{
    private static string Case => Path.Combine(TestContext.CurrentContext.TestDirectory, "..", "..", "..", "..", "fixtures", "xcodec2", "full_tiny");

    [TestCase("enc0")]
    [TestCase("enc1")]
    public void Encode_GivesTheCodesOfTheReference(string name)
    {
        using var codec = SpeechCodec.Load(Path.Combine(Case, "hf"), withEncoder: true);
        using var expected = SafeTensorsFile.Open(Path.Combine(Case, "expected.safetensors"));
        long[] codes = [.. MemoryMarshal.Cast<byte, long>(expected.GetBytes($"{name}.audio_codes"))];
        Assert.That(codec.Encode(WaveFile.Read(Path.Combine(Case, $"{name}.wav")).Samples.Span), Is.EqualTo(codes));
    }

    [Test]
    public void Encode_WithoutTheEncoder_IsRefused()
    {
        using (var codec = SpeechCodec.Load(Path.Combine(Case, "hf")))
        {
            Assert.That(codec.CanEncode, Is.False);
            Assert.Throws<InvalidOperationException>(() => codec.Encode(new float[320]));
        }

        // A decoder-only checkpoint says which tensor is missing.
        Assert.That(Assert.Throws<ModelFileException>(() => SpeechCodec.Load(Path.Combine(Case, "..", "decoder_short_fsq", "hf"), withEncoder: true).Dispose())!.Message, Does.Contain("missing"));
    }
}
