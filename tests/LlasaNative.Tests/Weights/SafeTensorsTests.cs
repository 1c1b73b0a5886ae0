using System.Buffers.Binary;
using System.Text;
using LlasaNative.Tests.Support;
using LlasaNative.Weights;

namespace LlasaNative.Tests.Weights;

public class SafeTensorsTests
{
    private TemporaryDirectory _directory = null!;

    [SetUp]
    public void SetUp() => _directory = new TemporaryDirectory();

    [TearDown]
    public void TearDown() => _directory.Dispose();

    [Test]
    public void Write_ThenRead_GivesTheSameValuesTypesAndMetadata()
    {
        string path = _directory.File("a.safetensors");
        float[] values = [1f, -2.5f, 0f, 3.25f, 1e-3f, 65504f];
        TensorInfo[] tensors =
        [
            new("half", TensorType.F16, 2, 3), new("brain", TensorType.BF16, 6), new("single", TensorType.F32, 3, 2),
            new("empty", TensorType.F32, 0, 7), new("ids", TensorType.I64, 2), new("scalar", TensorType.F32),
        ];
        using (SafeTensorsWriter writer = new(path, tensors))
        {
            writer.Write("single", values.AsSpan(0, 4));
            writer.Write("single", values.AsSpan(4), 4);
            writer.Write("half", values);
            writer.Write("brain", values);
            writer.Write("scalar", [42f]);
            writer.WriteBytes("ids", [1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
            writer.Complete();
        }

        using SafeTensorsFile file = SafeTensorsFile.Open(path);
        Assert.Multiple(() =>
        {
            Assert.That(file.Tensors.Select(t => t.Name), Is.EqualTo(["brain", "empty", "half", "ids", "scalar", "single"]));
            Assert.That(file.ReadFloats("single"), Is.EqualTo(values));
            Assert.That(file.ReadFloats("half"), Is.EqualTo(values.Select(v => (float)(Half)v)));
            Assert.That(file.ReadFloats("brain")[1], Is.EqualTo(-2.5f));
            Assert.That(file.ReadFloats("scalar"), Is.EqualTo([42f]));
            Assert.That(file.ReadFloats("empty"), Is.Empty);
            Assert.That(file.GetInfo("half").ShapeText, Is.EqualTo("[2,3]"));
            Assert.That(file.GetBytes("ids").Length, Is.EqualTo(16));
            Assert.That(() => file.ReadFloats("ids"), Throws.TypeOf<ModelFileException>().With.Message.Contains("ids"));
            Assert.That(() => file.GetInfo("nope"), Throws.TypeOf<ModelFileException>().With.Message.Contains("`nope`"));
        });
        byte[] bytes = File.ReadAllBytes(path);
        Assert.That((BinaryPrimitives.ReadInt64LittleEndian(bytes) + 8) % 8, Is.Zero, "data starts at a multiple of 8");
        Assert.That(Encoding.UTF8.GetString(bytes.AsSpan(8)), Does.StartWith("""{"__metadata__":{"format":"pt"},"""), "Transformers reads no file without it");
    }

    [Test]
    public void Read_HoldsMemoryUntilReleased_AndCopyingHoldsNone()
    {
        const int Count = 1 << 22, Bytes = 4 * Count;   // of `a`; `b` has half of them
        string path = _directory.File("large");
        float[] values = [.. Enumerable.Range(0, Count).Select(i => i % 251 - 125f)];
        using (SafeTensorsWriter writer = new(path, [new TensorInfo("a", TensorType.F32, Count), new TensorInfo("b", TensorType.BF16, Count)]))
        {
            writer.Write("a", values);
            writer.Write("b", values);
            writer.Complete();
        }

        using SafeTensorsFile file = SafeTensorsFile.Open(path);
        // The system maps what lies around a page with it, in blocks that are no larger than 2 MiB.
        const long Around = 4 << 20;
        byte[] first = file.GetBytes("a").ToArray();
        Assert.That(MappedMemory.Of(path), Is.GreaterThan(Bytes / 2), "or nothing here is looked at");
        file.Release("a");
        Assert.That(MappedMemory.Of(path), Is.LessThan(Around));
        Assert.That(file.GetBytes("a").SequenceEqual(first), "read again");
        file.Release();
        Assert.That(MappedMemory.Of(path), Is.Zero);
        Assert.That(file.ReadFloats("a"), Is.EqualTo(values).AsCollection);
        Assert.That(file.ReadFloats("b"), Is.EqualTo(values).AsCollection);
        Assert.That(file.AllFinite("a") && file.AllFinite("b"));
        Assert.That(MappedMemory.Of(path), Is.LessThan(Around));
        file.Release("b");
        Assert.That(() => file.Release("c"), Throws.TypeOf<ModelFileException>());
    }

    [Test]
    public void Write_InAnotherOrder_GivesTheSameFile()
    {
        TensorInfo[] tensors = [new("b", TensorType.F32, 2), new("a", TensorType.BF16, 3), new("c", TensorType.F32, 1)];
        byte[][] files = new byte[2][];
        for (int run = 0; run < 2; run++)
        {
            string path = _directory.File("order");
            using SafeTensorsWriter writer = new(path, run == 0 ? tensors : tensors.Reverse());
            foreach (string name in run == 0 ? new[] { "a", "b", "c" } : ["c", "a", "b"])
            {
                writer.Write(name, new float[name == "a" ? 3 : name == "b" ? 2 : 1]);
            }

            writer.Complete();
            files[run] = File.ReadAllBytes(path);
        }

        Assert.That(files[1], Is.EqualTo(files[0]));
    }

    [Test]
    public void Complete_WithATensorMissing_ThrowsAndDisposeDeletesTheFile()
    {
        string path = _directory.File("partial");
        using (SafeTensorsWriter writer = new(path, [new TensorInfo("a", TensorType.F32, 2)]))
        {
            writer.Write("a", [1f]);
            Assert.That(writer.Complete, Throws.InvalidOperationException.With.Message.Contains("`a`"));
            Assert.That(() => writer.Write("a", [1f, 2f], 1), Throws.TypeOf<ArgumentOutOfRangeException>());
        }

        Assert.That(File.Exists(path), Is.False);
    }

    [Test]
    public void Write_OnAFullDisk_SaysSoAndLeavesNothing()
    {
        if (!File.Exists("/dev/full"))
        {
            Assert.Ignore("SKIPPED: no /dev/full on this system");
        }

        // A link would be deleted; the device itself must survive, so only the constructor's failure is looked at.
        string link = _directory.File("full");
        File.CreateSymbolicLink(link, "/dev/full");
        Assert.That(
            () => new SafeTensorsWriter(link, [new TensorInfo("a", TensorType.F32, 2)]),
            Throws.TypeOf<ModelFileException>().With.Message.Contains("cannot be written"));
        Assert.That(Directory.GetFileSystemEntries(_directory.Path), Is.Empty);
    }

    private static readonly TestCaseData[] BadHeaders =
    [
        new("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,12]}}""", 12, "needs 8 bytes"),
        new("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 4, "truncated"),
        new("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 9, "after the last tensor"),
        new("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""", 12, "hole"),
        new("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "overlaps"),
        new("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "twice"),
        new("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "whole numbers"),
        new("""{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}""", 4, "too large"),
        new("""{"a":{"dtype":"F32","shape":[1]}}""", 4, "data_offsets"),
        new("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"shape":[1]}}""", 4, "repeated key `shape`"),
        new("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} {}""", 4, "not valid JSON"),
        new("""[1]""", 0, "expected StartObject"),
        new("""{"a":""", 0, "not valid JSON"),
        new("", 0, "not valid JSON"),
    ];

    [TestCaseSource(nameof(BadHeaders))]
    public void Open_WithABadHeader_NamesFileAndFault(string header, int dataBytes, string expected)
    {
        string path = _directory.Write("bad.safetensors", File_(header, dataBytes));
        Assert.That(
            () => SafeTensorsFile.Open(path),
            Throws.TypeOf<ModelFileException>().With.Message.Contains(expected).And.Message.Contains("bad.safetensors"));
    }

    [Test]
    public void Open_WithALyingHeaderLength_SaysSo([Values(9UL, 100_000_001UL, ulong.MaxValue, 1UL << 63)] ulong length)
    {
        byte[] bytes = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        string path = _directory.Write("bad", bytes);
        Assert.That(() => SafeTensorsFile.Open(path), Throws.TypeOf<ModelFileException>().With.Message.Contains("header length"));
    }

    [Test]
    public void Open_OfAMissingFileOrADirectory_SaysSo()
    {
        Assert.That(() => SafeTensorsFile.Open(_directory.File("none")), Throws.TypeOf<ModelFileException>().With.Message.EndsWith("no such file"));
        Assert.That(() => SafeTensorsFile.Open(_directory.Path), Throws.TypeOf<ModelFileException>());
        Assert.That(() => SafeTensorsFile.Open(_directory.Write("zero", [])), Throws.TypeOf<ModelFileException>().With.Message.Contains("truncated"));
    }

    [Test]
    public void Open_OfDamagedFiles_ThrowsNothingButLlasaException()
    {
        string path = _directory.File("valid");
        using (SafeTensorsWriter writer = new(path, [new TensorInfo("a.b", TensorType.F32, 4, 2), new TensorInfo("c", TensorType.I64, 3)]))
        {
            writer.Write("a.b", new float[8]);
            writer.WriteBytes("c", new byte[24]);
            writer.Complete();
        }

        string mutated = _directory.File("mutated");
        Fuzz.AssertOnlyLlasaExceptions(File.ReadAllBytes(path), 11, 2000, bytes =>
        {
            File.WriteAllBytes(mutated, bytes);
            using SafeTensorsFile file = SafeTensorsFile.Open(mutated);
            foreach (TensorInfo tensor in file.Tensors)
            {
                _ = file.GetBytes(tensor.Name).Length;
                _ = file.AllFinite(tensor.Name);
            }
        });
    }

    [TestCase(1.0f, (ushort)0x3F80)]
    [TestCase(1.00390625f, (ushort)0x3F80, Description = "tie goes to even, down")]
    [TestCase(1.01171875f, (ushort)0x3F82, Description = "tie goes to even, up")]
    [TestCase(float.MaxValue, (ushort)0x7F80)]
    [TestCase(float.NegativeInfinity, (ushort)0xFF80)]
    public void ToBFloat16_RoundsToNearestEven(float value, ushort bits) =>
        Assert.That(TensorConversion.ToBFloat16(value), Is.EqualTo(bits));

    [Test]
    public void ToBFloat16_OfAnyNaN_IsNaN()
    {
        foreach (uint bits in new uint[] { 0x7F80_0001, 0xFFFF_FFFF, 0x7FC0_0000, 0x7F80_8000 })
        {
            ushort half = TensorConversion.ToBFloat16(BitConverter.UInt32BitsToSingle(bits));
            Assert.That(float.IsNaN(BitConverter.UInt32BitsToSingle((uint)half << 16)));
        }
    }

    [Test]
    public void AllFinite_FindsOneBadValueInEveryType(
        [Values(TensorType.F32, TensorType.F16, TensorType.BF16, TensorType.F64)] TensorType type,
        [Values(float.NaN, float.PositiveInfinity, float.NegativeInfinity)] float bad)
    {
        float[] values = [0, 1, -1, 3e4f, -3e4f];
        byte[] bytes = new byte[values.Length * type.SizeInBytes()];
        TensorConversion.FromSingle(values, type, bytes);
        Assert.That(TensorConversion.AllFinite(bytes, type), Is.True);
        values[3] = bad;
        TensorConversion.FromSingle(values, type, bytes);
        Assert.That(TensorConversion.AllFinite(bytes, type), Is.False);
    }

    private static byte[] File_(string header, int dataBytes)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        byte[] file = new byte[8 + json.Length + dataBytes];
        BinaryPrimitives.WriteInt64LittleEndian(file, json.Length);
        json.CopyTo(file, 8);
        return file;
    }
}
