namespace LlasaNative.BindingGenerator.Tests;

[TestFixture]
public sealed class EmitterTests
{
    [Test]
    public void Committed_BindingsAndLayout_AreWhatTheHeaderGives()
    {
        Clang.Require();
        var api = HeaderReader.Read(Path.Combine(Clang.RepositoryRoot, "native/include/llasa_native.h"), "clang");
        var folder = Path.Combine(Clang.RepositoryRoot, "bindings/LlasaNative.Interop/Generated");
        var fresh = Emitter.Emit(api).ToList();
        Assert.Multiple(() =>
        {
            Assert.That(Directory.GetFiles(folder).Select(Path.GetFileName), Is.EquivalentTo(fresh.Select(f => f.File)));
            foreach (var (file, text) in fresh)
            {
                Assert.That(File.ReadAllText(Path.Combine(folder, file)), Is.EqualTo(text), $"{file} is stale: run ./build.sh bindings");
            }

            Assert.That(File.ReadAllText(Path.Combine(Clang.RepositoryRoot, "native/src/abi/layout.g.inc")), Is.EqualTo(Emitter.LayoutInclude(api)));
        });
    }

    [Test]
    public void Wrapper_OfAHandleMaker_ReturnsTheHandleAndChecksTheStatus()
    {
        var code = Emit("""
            typedef int32_t llasa_status;
            typedef struct llasa_thing llasa_thing;
            llasa_status llasa_thing_create(int64_t size_bytes, llasa_thing** out);
            void llasa_thing_destroy(llasa_thing* thing);
            """, "Native.g.cs");
        Assert.That(code, Does.Contain("public static ThingHandle ThingCreate(long sizeBytes)")
            .And.Contain("Check(NativeMethods.llasa_thing_create(sizeBytes, out created));"));
    }

    [Test]
    public void Array_ThatNobodyDescribed_StopsTheGenerator() =>
        Assert.That(
            () => Emit("typedef int32_t llasa_status; llasa_status llasa_new(const float* values);", "Native.g.cs"),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("llasa_new.values"));

    [TestCase("long")]
    [TestCase("unsigned")]
    [TestCase("_Bool")]
    public void Type_WhoseSizeVaries_MayNotCrossTheAbi(string type) =>
        Assert.That(
            () => Emit($"typedef int32_t llasa_status; llasa_status llasa_new({type} x);", "NativeMethods.g.cs"),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains(type));

    [Test]
    public void Names_AreSplitAtUnderscores() => Assert.Multiple(() =>
    {
        Assert.That(Names.Pascal("old_logprobs"), Is.EqualTo("OldLogProbs"));
        Assert.That(Names.Pascal("DR_GRPO"), Is.EqualTo("DrGrpo"));
        Assert.That(Names.Camel("out_num_codes"), Is.EqualTo("outNumCodes"));
    });

    private static string Emit(string source, string file)
    {
        var api = Clang.Read(source);
        return Emitter.Emit(api).Single(f => f.File == file).Text;
    }
}
