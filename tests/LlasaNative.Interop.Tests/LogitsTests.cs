namespace LlasaNative.Interop.Tests;

[TestFixture]
public sealed class LogitsTests : LeakCheckedTests
{
    [Test]
    public void Logits_BeforeWeightsAreSet_IsAStateError()
    {
        using var policy = new NativePolicy(TinyPolicy.Options());
        Assert.That(() => policy.Logits([1, 2], new float[2 * TinyPolicy.VocabSize]), Throws.TypeOf<NativeException>()
            .With.Property(nameof(NativeException.Status)).EqualTo(LlasaStatus.State));
    }

    [Test]
    public void Logits_WithBadTokensOrArrays_AreRefused()
    {
        using var policy = TinyPolicy.Create();
        Assert.Multiple(() =>
        {
            Assert.That(() => policy.Logits([1, 2], new float[TinyPolicy.VocabSize]), Throws.ArgumentException);
            Assert.That(() => policy.Logits([1, TinyPolicy.VocabSize], new float[2 * TinyPolicy.VocabSize]), Fails(LlasaStatus.Token, "32"));
        });
    }

    private static NUnit.Framework.Constraints.ContainsConstraint Fails(LlasaStatus status, string text) =>
        Throws.TypeOf<NativeException>().With.Property(nameof(NativeException.Status)).EqualTo(status).And.Message.Contains(text);
}
