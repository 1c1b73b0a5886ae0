namespace LlasaNative.Interop.Tests;

[TestFixture]
public sealed class CodecTests : LeakCheckedTests
{
    [Test]
    public void Vocode_OfClipsTogether_GivesWhatEachGivesAlone()
    {
        using var codec = TinyCodec.Create();
        int[] codes = [1, 5, 9, 13, 2, 0];
        var together = new float[codes.Length * codec.SamplesPerCode];
        codec.Vocode([0, 4, 6], codes, together);
        var alone = codec.Vocode(codes.AsSpan(4));
        Assert.Multiple(() =>
        {
            Assert.That(codec.CodeCount, Is.EqualTo(16));
            Assert.That(together[(4 * codec.SamplesPerCode)..], Is.EqualTo(alone));
            Assert.That(together, Has.Some.Not.Zero);
        });
    }

    [Test]
    public void Vocode_WithAnyFault_IsRefused()
    {
        using var codec = TinyCodec.Create();
        Assert.Multiple(() =>
        {
            Assert.That(() => codec.Vocode([0, 16]), Throws.TypeOf<NativeException>().With.Property("Status").EqualTo(LlasaStatus.Token));
            Assert.That(() => codec.Vocode([0, -1]), Throws.TypeOf<NativeException>().With.Property("Status").EqualTo(LlasaStatus.Token));
            Assert.That(() => codec.Vocode([0, 3], new int[2], new float[1000]), Throws.ArgumentException.With.Message.Contains("codes"));
            Assert.That(() => codec.Vocode([0, 2], new int[2], new float[1]), Throws.ArgumentException.With.Message.Contains("waveforms"));
        });
    }

    [Test]
    public void Vocode_BeforeWeightsAreSet_IsAStateError()
    {
        using var codec = new NativeCodec(TinyCodec.Options());
        Assert.That(() => codec.Vocode([0, 1]), Throws.TypeOf<NativeException>().With.Property("Status").EqualTo(LlasaStatus.State));
    }
}
