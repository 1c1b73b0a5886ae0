using System.Buffers.Binary;
using System.Text;
using LlasaNative.Reporting;

namespace LlasaNative.Tests.Reporting;

/// <summary>Reads event files back with a parser of its own: table-driven CRC, generic protobuf fields.</summary>
public sealed class TensorBoardTests
{
    private string _directory = "";

    [SetUp]
    public void CreateDirectory() => _directory = Directory.CreateTempSubdirectory("llasa-board-").FullName;

    [TearDown]
    public void DeleteDirectory() => Directory.Delete(_directory, recursive: true);

    [Test]
    public void Crc_OfTheStandardCheckString_IsTheStandardValue() =>
        // CRC-32C of "123456789" is e3069283 (RFC 3720); masking undone.
        Assert.That(Unmask(TensorBoardWriter.MaskedCrc("123456789"u8)), Is.EqualTo(0xe3069283u));

    [Test]
    public void EventFile_ReadsBack()
    {
        string path;
        using (TensorBoardWriter writer = new(_directory, firstStep: 4))
        {
            path = writer.Path;
            writer.Write(new MetricRow(4).Add("reward/mean", 0.5).Add("bad", double.NaN).Add("b", -2));
            writer.WriteText(5, "note", "héllo");
            writer.WriteAudio(6, "sound", [1, 2, 3], 16000, 7);
        }

        var events = Records(File.ReadAllBytes(path)).Select(Fields).ToList();
        var scalars = Fields(events[2][5][0]);
        var first = Fields(scalars[1][0]);
        var text = Fields(Fields(events[3][5][0])[1][0]);
        var audio = Fields(Fields(Fields(events[4][5][0])[1][0])[6][0]);
        Assert.Multiple(() =>
        {
            Assert.That(Encoding.UTF8.GetString(events[0][3][0]), Is.EqualTo("brain.Event:2"));
            Assert.That(Varint(events[1][2][0]), Is.EqualTo(4), "no earlier step is dropped, this one is written anew");
            Assert.That(Varint(Fields(events[1][7][0])[1][0]), Is.EqualTo(1), "session start");
            Assert.That(Varint(events[2][2][0]), Is.EqualTo(4));
            Assert.That(scalars[1], Has.Count.EqualTo(2), "NaN is left out");
            Assert.That(Encoding.UTF8.GetString(first[1][0]), Is.EqualTo("reward/mean"));
            Assert.That(BinaryPrimitives.ReadSingleLittleEndian(first[2][0]), Is.EqualTo(0.5f));
            Assert.That(Encoding.UTF8.GetString(Fields(text[8][0])[8][0]), Is.EqualTo("héllo"));
            Assert.That(Encoding.UTF8.GetString(Fields(Fields(text[9][0])[1][0])[1][0]), Is.EqualTo("text"));
            Assert.That(BinaryPrimitives.ReadSingleLittleEndian(audio[1][0]), Is.EqualTo(16000f));
            Assert.That(Varint(audio[3][0]), Is.EqualTo(7));
            Assert.That(audio[4][0], Is.EqualTo(new byte[] { 1, 2, 3 }));
        });
    }

    [Test]
    public void TwoWriters_InOneSecond_UseTwoFiles()
    {
        using TensorBoardWriter first = new(_directory);
        using TensorBoardWriter second = new(_directory);
        Assert.That(second.Path, Is.Not.EqualTo(first.Path));
    }

    private static uint Unmask(uint masked)
    {
        var rotated = masked - 0xa282ead8u;
        return (rotated >> 17) | (rotated << 15);
    }

    private static uint Crc(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        foreach (var b in data)
        {
            crc ^= b;
            for (var bit = 0; bit < 8; bit++)
            {
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
            }
        }

        return ~crc;
    }

    private static List<byte[]> Records(byte[] file)
    {
        List<byte[]> records = [];
        for (var at = 0; at < file.Length;)
        {
            var length = (int)BinaryPrimitives.ReadInt64LittleEndian(file.AsSpan(at));
            Assert.That(Unmask(BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 8))), Is.EqualTo(Crc(file.AsSpan(at, 8))), "length checksum");
            var data = file.AsSpan(at + 12, length).ToArray();
            Assert.That(Unmask(BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 12 + length))), Is.EqualTo(Crc(data)), "data checksum");
            records.Add(data);
            at += length + 16;
        }

        return records;
    }

    private static long Varint(byte[] bytes)
    {
        long value = 0;
        for (var i = bytes.Length - 1; i >= 0; i--)
        {
            value = (value << 7) | (bytes[i] & 0x7fL);
        }

        return value;
    }

    private static Dictionary<int, List<byte[]>> Fields(byte[] message)
    {
        Dictionary<int, List<byte[]>> fields = [];
        var at = 0;
        while (at < message.Length)
        {
            var key = Varint(Take());
            var value = (key & 7) switch
            {
                0 => Take(),
                1 => Slice(8),
                5 => Slice(4),
                2 => Slice((int)Varint(Take())),
                _ => throw new InvalidDataException(),
            };
            (fields.TryGetValue((int)(key >> 3), out var list) ? list : fields[(int)(key >> 3)] = []).Add(value);
        }

        return fields;

        byte[] Take()
        {
            var start = at;
            while (message[at++] >= 0x80)
            {
            }

            return message[start..at];
        }

        byte[] Slice(int length)
        {
            at += length;
            return message[(at - length)..at];
        }
    }
}
