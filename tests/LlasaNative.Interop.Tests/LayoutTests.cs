namespace LlasaNative.Interop.Tests;

[TestFixture]
public sealed class LayoutTests
{
    private static IEnumerable<TestCaseData> Entries() =>
        NativeLayout.Entries().Select(e => new TestCaseData(e.Name, e.Bytes).SetArgDisplayNames(e.Name));

    [TestCaseSource(nameof(Entries))]
    public void Layout_OfStructOrField_IsWhatTheLibraryWasCompiledWith(string name, long bytes) =>
        Assert.That(Native.StructLayout(name), Is.EqualTo(bytes));

    [Test]
    public void Layout_OfUnknownName_IsRefused() =>
        Assert.That(() => Native.StructLayout("llasa_policy_options.no_such_field"),
            Throws.TypeOf<NativeException>().With.Property(nameof(NativeException.Status)).EqualTo(LlasaStatus.Name));

    [Test]
    public void AbiVersion_OfLoadedLibrary_HasTheMajorOfTheBindings() =>
        Assert.That(Native.AbiVersion() >> 16, Is.EqualTo((uint)NativeConstants.AbiMajor));
}
