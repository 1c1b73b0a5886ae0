using System.Runtime.InteropServices;

namespace LlasaNative.Interop.Tests;

[TestFixture]
public sealed class PolicyTests : LeakCheckedTests
{
    [Test]
    public void Tensors_OfNewPolicy_AreNamedAsHuggingFaceDoesAndUnset()
    {
        using var policy = new NativePolicy(TinyPolicy.Options());
        var tensors = policy.GetTensors();
        Assert.Multiple(() =>
        {
            Assert.That(tensors[0].Name, Is.EqualTo("model.embed_tokens.weight"));
            Assert.That(tensors[0].Shape, Is.EqualTo(new long[] { TinyPolicy.VocabSize, 16 }));
            Assert.That(tensors.Select(t => t.IsSet), Is.All.False);
        });
    }

    [Test]
    public void Tensor_SetInOneTypeAndReadInAnother_KeepsItsValue()
    {
        using var policy = new NativePolicy(TinyPolicy.Options());
        var values = Enumerable.Range(0, 16).Select(i => i * 0.5f).ToArray();
        var half = values.Select(v => (Half)v).ToArray();
        policy.SetTensor("model.norm.weight", NativeDType.F16, [16], MemoryMarshal.AsBytes(half.AsSpan()));
        var back = new float[16];
        policy.GetTensor("model.norm.weight", back);
        Assert.That(back, Is.EqualTo(values));
    }

    [Test]
    public void SetTensor_WithAnyFault_SaysWhich()
    {
        using var policy = new NativePolicy(TinyPolicy.Options());
        Assert.Multiple(() =>
        {
            Assert.That(() => policy.SetTensor("no.such.tensor", [16], new float[16]), Fails(LlasaStatus.Name, "no.such.tensor"));
            Assert.That(() => policy.SetTensor("model.norm.weight", [17], new float[17]), Fails(LlasaStatus.Shape, "17"));
            Assert.That(() => policy.SetTensor("model.norm.weight", [16], new float[15]), Throws.ArgumentException);
            Assert.That(() => policy.SetTensor("model.norm.weight", [-16], new float[16]), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => policy.SetTensor("model.norm.weight", [16], Enumerable.Repeat(float.NaN, 16).ToArray()),
                Fails(LlasaStatus.NotFinite, "model.norm.weight"));
        });
    }

    [Test]
    public void Options_WithoutTheirSize_AreRefused() =>
        Assert.That(() => new NativePolicy(default), Fails(LlasaStatus.Abi, "struct_size"));

    [Test]
    public void TokenBatch_WithAnyFault_IsRefused() =>
        Assert.Multiple(() =>
        {
            Assert.That(() => new NativeTokenBatch([], [1], []).Count, Throws.ArgumentException);
            Assert.That(() => new NativeTokenBatch([1, 2], [1, 2], [1]).Count, Throws.ArgumentException);
            Assert.That(() => new NativeTokenBatch([0, 3], [1, 2], [1]).Count, Throws.ArgumentException);
            Assert.That(() => new NativeTokenBatch([0, 2], [1, 2], [3]).Count, Throws.ArgumentException);
            Assert.That(() => new NativeTokenBatch([0, 2], [1, 2], [0]).Count, Throws.ArgumentException);
            Assert.That(new NativeTokenBatch([0, 2, 5], [1, 2, 3, 4, 5], [1, 2]).ScoredTokens, Is.EqualTo(2));
        });

    private static NUnit.Framework.Constraints.ContainsConstraint Fails(LlasaStatus status, string text) =>
        Throws.TypeOf<NativeException>().With.Property(nameof(NativeException.Status)).EqualTo(status).And.Message.Contains(text);
}
