namespace LlasaNative.BindingGenerator.Tests;

[TestFixture]
public sealed class HeaderReaderTests
{
    [Test]
    public void Read_OfFunctionsAndStructs_KeepsNamesTypesAndComments()
    {
        var api = Clang.Read("""
            #define LLASA_ABI_MAJOR 3 /* the major */
            #define LLASA_TEXT "not an integer"
            typedef struct llasa_thing llasa_thing;
            /* Options of a thing. */
            typedef struct llasa_thing_options { uint32_t struct_size; int32_t levels[16]; /* of the thing */ } llasa_thing_options;
            typedef int32_t (*llasa_callback)(void* user, int64_t done);
            /* Makes a thing < & >. */
            int32_t llasa_thing_create(const llasa_thing_options* options, llasa_thing** out);
            int32_t unrelated(int32_t x);
            """);
        Assert.Multiple(() =>
        {
            Assert.That(api.Constants, Is.EqualTo(new[] { new CConstant("LLASA_ABI_MAJOR", 3, "the major") }));
            Assert.That(api.Handles.Single().Name, Is.EqualTo("llasa_thing"));
            Assert.That(api.Structs.Single().Fields[1], Is.EqualTo(new CVariable("levels", new CType("int32_t", false, 0, 16), "of the thing")));
            Assert.That(api.Callbacks.Single().Parameters, Is.EqualTo(new[] { new CType("void", false, 1, 0), new CType("int64_t", false, 0, 0) }));
            Assert.That(api.Functions.Single().Doc, Is.EqualTo("Makes a thing < & >."));
            Assert.That(api.Functions.Single().Parameters.Select(p => p.Type), Is.EqualTo(new[]
            {
                new CType("llasa_thing_options", true, 1, 0), new CType("llasa_thing", false, 2, 0),
            }));
        });
    }

    [TestCase("const int64_t *", "int64_t", true, 1, 0)]
    [TestCase("llasa_policy **", "llasa_policy", false, 2, 0)]
    [TestCase("char[16]", "char", false, 0, 16)]
    [TestCase("struct llasa_buffer *", "llasa_buffer", false, 1, 0)]
    public void Type_IsReadFromClangsSpelling(string spelling, string name, bool isConst, int pointers, int length) =>
        Assert.That(CType.Parse(spelling), Is.EqualTo(new CType(name, isConst, pointers, length)));

    [Test]
    public void Read_OfBrokenHeader_Fails() =>
        Assert.That(() => Clang.Read("int32_t llasa_broken(;"), Throws.InvalidOperationException);
}
