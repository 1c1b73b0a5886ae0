using System.Runtime.InteropServices;
using LlasaNative.Audio;
using LlasaNative.Interop;
using LlasaNative.Models;
using LlasaNative.Trainer;
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

    [Test]
    public void Decode_AsRows_PadsShorterClipsWithSilence()
    {
        using PinnedBufferPool pool = new();
        using var codec = SpeechCodec.Load(TinyWorld.Codec);
        using var waves = codec.Decode([[1, 2, 3], [], [4]]);
        using var rows = waves.ToRows(pool)!;
        Assert.Multiple(() =>
        {
            Assert.That((rows.Memory.Height, rows.Memory.Width), Is.EqualTo((3, 3 * codec.SamplesPerCode)));
            Assert.That(rows.Span.GetRowSpan(0).ToArray(), Is.EqualTo(waves[0].ToArray()));
            Assert.That(rows.Span.GetRowSpan(1).ToArray(), Is.EqualTo(new float[3 * codec.SamplesPerCode]));
            Assert.That(rows.Span.GetRowSpan(2)[..codec.SamplesPerCode].ToArray(), Is.EqualTo(waves[2].ToArray()));
            Assert.That(rows.Span.GetRowSpan(2)[codec.SamplesPerCode..].ToArray(), Is.EqualTo(new float[2 * codec.SamplesPerCode]));
        });

        using var silent = codec.Decode([[]]);
        Assert.That(silent.ToRows(pool), Is.Null);
    }
}
