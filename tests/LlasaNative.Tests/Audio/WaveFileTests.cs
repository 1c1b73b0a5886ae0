using System.Buffers.Binary;
using LlasaNative.Audio;
using LlasaNative.Tests.Support;

namespace LlasaNative.Tests.Audio;

public class WaveFileTests
{
    private static readonly float[] Values = [0f, 0.5f, -0.5f, 0.25f, -1f, 0.984375f];

    [TestCase(1, 8, 1.0 / 128)]
    [TestCase(1, 16, 1.0 / 32768)]
    [TestCase(1, 24, 1.0 / 8388608)]
    [TestCase(1, 32, 1e-7)]
    [TestCase(3, 32, 0)]
    [TestCase(3, 64, 0)]
    public void Parse_ReadsEveryFormat_PlainAndExtensible_OneAndTwoChannels(int kind, int bits, double tolerance)
    {
        foreach (bool extensible in new[] { false, true })
        {
            foreach (int channels in new[] { 1, 2, 3 })
            {
                WaveAudio audio = WaveFile.Parse(Build(kind, bits, channels, extensible, Values), "a.wav");
                Assert.That(audio.SampleRate, Is.EqualTo(22050));
                Assert.That(audio.Samples.ToArray(), Is.EqualTo(Values).Within(tolerance));
            }
        }
    }

    // The first and the last code of each segment, as ITU-T G.711 and ffmpeg's decoders have them.
    [TestCase(7, 0xFF, 0, 8, 120, 132, 372, 396, 876, 924, 1884, 1980, 3900, 4092, 7932, 8316, 15996, 16764, 32124)]
    [TestCase(6, 0xD5, 8, 24, 248, 264, 504, 528, 1008, 1056, 2016, 2112, 4032, 4224, 8064, 8448, 16128, 16896, 32256)]
    public void MyCallsAreRecordedInMuLawOrALaw_AndAreRead(int kind, int zero, params int[] expected)
    {
        byte[] codes = [0, 1, .. Enumerable.Range(1, 15).Select(i => (byte)((i + 1) / 2 * 16 - (i & 1)))];
        foreach (bool extensible in new[] { false, true })
        {
            foreach (int sign in new[] { 1, -1 })
            {
                byte[] data = [.. codes.Select(code => (byte)(code ^ zero ^ (sign < 0 ? 0x80 : 0)))];
                WaveAudio audio = WaveFile.Parse([.. Build(kind, 8, 1, extensible, new float[data.Length])[..^data.Length], .. data], "call.wav");
                Assert.That(audio.Samples.ToArray(), Is.EqualTo(expected.Select(value => sign * value / 32768f)));
            }
        }
    }

    [TestCase(12, 16)]
    [TestCase(20, 24)]
    public void MyRecorderWritesTwelveOrTwentyBits_AsTheUpperBitsOfBytes(int bits, int container)
    {
        byte[] file = Build(1, container, 2, false, Values);
        file[34] = (byte)bits;
        Assert.That(WaveFile.Parse(file, "a.wav").Samples.ToArray(), Is.EqualTo(Values).Within(1.0 / 32768));
    }

    [Test]
    public void Parse_OfStereo_MixesDown()
    {
        byte[] file = Build(1, 16, 2, false, [0.5f]);
        BinaryPrimitives.WriteInt16LittleEndian(file.AsSpan(file.Length - 2), 0);
        Assert.That(WaveFile.Parse(file, "a.wav").Samples.ToArray(), Is.EqualTo([0.25f]));
    }

    [Test]
    public void Parse_SkipsUnknownChunksAndTheirPadding()
    {
        byte[] plain = Build(1, 16, 1, false, Values);
        byte[] odd = [.. "LIST"u8, 3, 0, 0, 0, 1, 2, 3, 0];
        byte[] file = [.. plain[..12], .. odd, .. plain[12..36], .. odd, .. plain[36..], .. odd];
        Assert.That(WaveFile.Parse(file, "a.wav").Samples.Length, Is.EqualTo(Values.Length));
    }

    [Test]
    public void Write_ThenRead_GivesTheSameWithinHalfAStep()
    {
        using TemporaryDirectory directory = new();
        string path = directory.File("a.wav");
        float[] values = [0f, 1f, -1f, 2f, -3f, 0.1f, float.NaN, float.PositiveInfinity];
        WaveFile.Write(path, values, 16000);
        WaveAudio audio = WaveFile.Read(path);
        float most = 32767f / 32768f;
        Assert.That(audio.Samples.ToArray(), Is.EqualTo([0f, most, -1f, most, -1f, 0.1f, 0f, most]).Within(0.5f / 32768f));
        Assert.That(Directory.GetFiles(directory.Path), Has.Length.EqualTo(1));
        Assert.That(() => WaveFile.Write(directory.File("a.wav/b.wav"), values, 16000), Throws.TypeOf<ModelFileException>(), "below a file");
        Assert.That(WaveFile.Parse(WaveFile.Encode([], 8000), "empty").Samples.Length, Is.Zero);
    }

    [TestCase(20, 2, "format 2 with 16 bits", Description = "ADPCM")]
    [TestCase(34, 40, "format 1 with 40 bits")]
    [TestCase(20, 7, "format 7 with 16 bits")]
    [TestCase(22, 0, "0 channels")]
    [TestCase(24, 5, "5 samples per second", Description = "low byte of the rate; the rest is cleared")]
    [TestCase(32, 7, "7 bytes per frame")]
    [TestCase(16, 10, "10 bytes, expected at least 16")]
    [TestCase(0, 'X', "not a WAV file")]
    public void Parse_WithABadHeader_SaysWhat(int offset, int value, string expected)
    {
        byte[] file = Build(1, 16, 1, false, Values);
        file[offset] = (byte)value;
        file[offset + 1] = 0;
        Assert.That(() => WaveFile.Parse(file, "bad.wav"), Throws.TypeOf<ModelFileException>().With.Message.Contains(expected).And.Message.StartsWith("bad.wav: "));
    }

    [Test]
    public void Parse_WithoutFormatOrData_SaysWhich()
    {
        byte[] file = Build(1, 16, 1, false, Values);
        Assert.That(() => WaveFile.Parse([.. file[..12], .. file[36..]], "a"), Throws.TypeOf<ModelFileException>().With.Property("Field").EqualTo("fmt"));
        Assert.That(() => WaveFile.Parse(file.AsSpan(0, 36), "a"), Throws.TypeOf<ModelFileException>().With.Property("Field").EqualTo("data"));
        Assert.That(() => WaveFile.Read("none.wav"), Throws.TypeOf<ModelFileException>().With.Message.EndsWith("no such file"));
    }

    [TestCase("RIFF", 0xFFFFFFFFu, 0xFFFFFFFFu, TestName = "AWavFromAPipe_IsReadToItsEnd(ffmpeg)")]
    [TestCase("RIFF", 0x7FFFF024u, 0x7FFFF000u, TestName = "AWavFromAPipe_IsReadToItsEnd(sox)")]
    [TestCase("RIFF", 0x7FFFFFFFu, 0x7FFFFFFFu, TestName = "AWavFromAPipe_IsReadToItsEnd(2^31-1)")]
    [TestCase("RIFF", 0u, 0u, TestName = "AWavFromAPipe_IsReadToItsEnd(zero)")]
    [TestCase("RIFF", 36u, 0u, TestName = "AWavFromAPipe_IsReadToItsEnd(a header that was never completed)")]
    [TestCase("RF64", 0xFFFFFFFFu, 0xFFFFFFFFu, TestName = "AWavFromAPipe_IsReadToItsEnd(RF64 without ds64)")]
    public void AWavFromAPipe_IsReadToItsEnd(string form, uint riff, uint data)
    {
        byte[] file = WithLengths(Build(1, 16, 1, false, Values), riff, data);
        System.Text.Encoding.ASCII.GetBytes(form).CopyTo(file, 0);
        List<string> warnings = [];
        Assert.That(WaveFile.Parse(file, "a.wav", warnings.Add).Samples.ToArray(), Is.EqualTo(Values).Within(1.0 / 32768));
        Assert.That(warnings, Is.Empty);
    }

    [TestCase(0x7FFFFFFFFFFFFFFFUL)]
    [TestCase(12UL)]
    [TestCase(0UL)]
    public void AnRf64File_IsRead(ulong dataLength)
    {
        byte[] plain = WithLengths(Build(1, 16, 1, false, Values), uint.MaxValue, uint.MaxValue);
        byte[] large = [.. "ds64"u8, 28, 0, 0, 0, .. BitConverter.GetBytes((ulong)plain.Length + 36 - 8 + (dataLength == 0 ? 99u : 0u)), .. BitConverter.GetBytes(dataLength), .. new byte[12]];
        byte[] file = [.. "RF64"u8, .. plain[4..12], .. large, .. plain[12..]];
        byte[] withMore = dataLength == 12 ? [.. file, .. "LIST"u8, 2, 0, 0, 0, 1, 2] : file;
        Assert.That(WaveFile.Parse(withMore, "a.wav").Samples.Length, Is.EqualTo(Values.Length));
    }

    [TestCase(-3, 4, "a.wav: its header says 12 bytes of sound, 9 are there and are read")]
    [TestCase(3, 6, "a.wav: its header says 56 bytes, the file has 59; the 12 bytes of sound are read")]
    [TestCase(-10, 1, "2 are there")]
    public void AFileShorterOrLongerThanItsHeaderSays_IsReadWithAWarning(int more, int expected, string warning)
    {
        byte[] whole = Build(1, 16, 1, false, Values);
        List<string> warnings = [];
        byte[] file = more < 0 ? whole[..^-more] : [.. whole, .. new byte[more]];
        Assert.That(WaveFile.Parse(file, "a.wav", warnings.Add).Samples.ToArray(), Is.EqualTo(Values[..expected]).Within(1.0 / 32768));
        Assert.That(warnings[0], Does.Contain(warning));
        Assert.That(() => WaveFile.Parse(file, "a.wav"), Throws.Nothing, "nobody need listen to warnings");
    }

    [TestCase(4, 0)]
    [TestCase(4, 2)]
    [TestCase(100, 0)]
    public void MyRecorderWroteItsSoundInTwoChunks_AndBothAreRead(int secondLength, int between)
    {
        // The last one may say more than is there.
        byte[] whole = Build(1, 16, 1, false, Values);
        byte[] note = between == 0 ? [] : [.. "LIST"u8, 1, 0, 0, 0, 7, 0];
        byte[] file = [.. whole[..^4], .. note, .. "data"u8, (byte)secondLength, 0, 0, 0, .. whole[^4..]];
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(4), file.Length - 8);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(whole.Length - 12 - 4), 8);
        Assert.That(WaveFile.Parse(file, "a.wav").Samples.ToArray(), Is.EqualTo(Values).Within(1.0 / 32768));
    }

    [Test]
    public void AWavOfManyChunksOfSound_TakesNoMoreMemoryThanAFewTimesItself()
    {
        // 30,000 chunks of a sample each: joined one by one they would be copied to 900 MB.
        byte[] file = [.. Build(1, 16, 1, false, Values), .. Enumerable.Repeat((byte[])[.. "data"u8, 2, 0, 0, 0, 0, 64], 30_000).SelectMany(chunk => chunk)];
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(4), file.Length - 8);
        long before = GC.GetAllocatedBytesForCurrentThread();
        WaveAudio audio = WaveFile.Parse(file, "a.wav");
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(4 * file.Length));
        Assert.That((audio.Samples.Length, audio.Samples.Span[^1]), Is.EqualTo((Values.Length + 30_000, 0.5f)));
    }

    [Test]
    public void AnEmptyWavWithANoteBehind_HasNoSound()
    {
        byte[] file = [.. Build(1, 16, 1, false, []), .. "LIST"u8, 4, 0, 0, 0, 1, 2, 3, 4];
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(4), file.Length - 8);
        Assert.That(WaveFile.Parse(file, "a.wav").Samples.Length, Is.Zero);
    }

    [Test]
    public void AWavThatEndsBeforeItsSound_IsRefused() =>
        Assert.That(() => WaveFile.Parse(Build(1, 16, 1, false, Values).AsSpan(0, 44), "a"), Throws.TypeOf<ModelFileException>().With.Message.Contains("12 bytes"));

    [Test]
    public void Parse_WithNaNSamples_IsRefused() =>
        Assert.That(() => WaveFile.Parse(Build(3, 32, 1, false, [0f, float.NaN]), "a"), Throws.TypeOf<ModelFileException>().With.Message.Contains("sample 1"));

    [Test]
    public void Parse_OfDamagedFiles_ThrowsNothingButLlasaException()
    {
        foreach ((int kind, int bits) in new[] { (1, 16), (1, 24), (3, 64) })
        {
            Fuzz.AssertOnlyLlasaExceptions(Build(kind, bits, 2, true, Values), bits, 3000, bytes => WaveFile.Parse(bytes, "a.wav"));
        }
    }

    private static byte[] WithLengths(byte[] file, uint riff, uint data)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(4), riff);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(40), data);
        return file;
    }

    private static byte[] Build(int kind, int bits, int channels, bool extensible, float[] values)
    {
        int bytes = bits / 8;
        using MemoryStream stream = new();
        using BinaryWriter writer = new(stream);
        int dataLength = values.Length * channels * bytes;
        writer.Write("RIFF"u8);
        writer.Write(4 + 8 + (extensible ? 40 : 16) + 8 + dataLength);
        writer.Write("WAVEfmt "u8);
        writer.Write(extensible ? 40 : 16);
        writer.Write((ushort)(extensible ? 0xFFFE : kind));
        writer.Write((ushort)channels);
        writer.Write(22050);
        writer.Write(22050 * channels * bytes);
        writer.Write((ushort)(channels * bytes));
        writer.Write((ushort)bits);
        if (extensible)
        {
            writer.Write((ushort)22);
            writer.Write((ushort)bits);
            writer.Write(0);
            writer.Write((ushort)kind);
            writer.Write([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
        }

        writer.Write("data"u8);
        writer.Write(dataLength);
        foreach (float value in values)
        {
            for (int channel = 0; channel < channels; channel++)
            {
                WriteSample(writer, kind, bits, value);
            }
        }

        return stream.ToArray();
    }

    private static void WriteSample(BinaryWriter writer, int kind, int bits, float value)
    {
        switch (bits)
        {
            case 8:
                writer.Write((byte)(128 + Math.Round(value * 128)));
                break;
            case 16:
                writer.Write((short)(value * 32768));
                break;
            case 24:
                int scaled = (int)(value * 8388608.0);
                writer.Write([(byte)scaled, (byte)(scaled >> 8), (byte)(scaled >> 16)]);
                break;
            case 32 when kind == 1:
                writer.Write((int)(value * 2147483648.0));
                break;
            case 32:
                writer.Write(value);
                break;
            default:
                writer.Write((double)value);
                break;
        }
    }
}
