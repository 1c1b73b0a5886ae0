using System.Buffers.Binary;
using System.ComponentModel;
using System.Diagnostics;
using LlasaNative.Audio;

namespace LlasaNative.Tests.Audio;

/// <summary>What is written is what FLAC's own readers read: ffmpeg's here.</summary>
public sealed class FlacEncoderTests
{
    [TestCase(1)]
    [TestCase(15)]
    [TestCase(4095)]
    [TestCase(4096)]
    [TestCase(4097)]
    [TestCase(20_000)]
    [TestCase(4096 * 130, Description = "frame numbers of two bytes", Category = "Long")]
    [TestCase((4096 * 2050) + 3, Description = "and of three", Category = "Long")]
    public void Encode_DecodesToTheSameSamples(int length)
    {
        Random random = new(length);
        // Loud, quiet and silent by turns, with full scale among it; a sine, which predictors like, below noise, which none does.
        short[] samples = [.. Enumerable.Range(0, length).Select(i => (i / 3000 % 4) switch
        {
            0 => (short)(20_000 * Math.Sin(i * 0.05)),
            1 => (short)random.Next(-3, 4),
            2 => (short)0,
            _ => random.Next(2) == 0 ? short.MinValue : short.MaxValue,
        })];
        Assert.That(Decode(Encode(samples, length, random)), Is.EqualTo(samples));
        Assert.That(Decode(Encode(samples, null, random)), Is.EqualTo(samples), "of unknown length");
    }

    [Test]
    public void Encode_OfASine_IsSmallerThanPcm()
    {
        short[] samples = [.. Enumerable.Range(0, 16_000).Select(i => (short)(10_000 * Math.Sin(i * 0.02)))];
        Assert.That(Encode(samples, samples.Length, new Random(1)), Has.Length.LessThan(samples.Length));
    }

    [TestCase(8_000, 4)]
    [TestCase(16_000, 5)]
    [TestCase(22_050, 6)]
    [TestCase(24_000, 7)]
    [TestCase(32_000, 8)]
    [TestCase(44_100, 9)]
    [TestCase(48_000, 10)]
    [TestCase(88_200, 1)]
    [TestCase(96_000, 11)]
    [TestCase(176_400, 2)]
    [TestCase(192_000, 3)]
    [TestCase(11_025, 13, 11_025)]
    [TestCase(65_535, 13, 65_535)]
    [TestCase(352_800, 14, 35_280)]
    [TestCase(65_537, 0)]
    public void Encode_SaysTheRateInItsFrames(int rate, int code, int? value = null)
    {
        short[] samples = [.. Enumerable.Range(0, 5000).Select(i => (short)(10_000 * Math.Sin(i * 0.02)))];
        var file = Encode(samples, samples.Length, new Random(1), rate);
        // 42 bytes before the first frame, of which two are for the synchronisation; behind the number of one byte and the size of two, the rate.
        Assert.That(file[44] & 0xF, Is.EqualTo(code));
        if (value is not null)
        {
            Assert.That(BinaryPrimitives.ReadUInt16BigEndian(file.AsSpan(49)), Is.EqualTo(value));
        }

        Assert.That(Decode(file), Is.EqualTo(samples));
    }

    /// <summary>Written in parts of any length.</summary>
    private static byte[] Encode(short[] samples, long? length, Random random, int rate = 16_000)
    {
        FlacEncoder flac = new(rate, length);
        List<byte> file = [.. flac.Header()];
        for (var at = 0; at < samples.Length;)
        {
            var count = Math.Min(random.Next(1, 10_000), samples.Length - at);
            file.AddRange(flac.Write(samples.AsSpan(at, count)));
            at += count;
        }

        return [.. file, .. flac.Finish()];
    }

    private static short[] Decode(byte[] file)
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, file);
            // err_detect: frames whose checksums are wrong are faults.
            using var process = Process.Start(new ProcessStartInfo("ffmpeg", ["-v", "error", "-err_detect", "crccheck+explode", "-f", "flac", "-i", path, "-f", "s16le", "pipe:1"])
            {
                RedirectStandardOutput = true, RedirectStandardError = true,
            })!;
            var complaint = process.StandardError.ReadToEndAsync();
            using MemoryStream output = new();
            process.StandardOutput.BaseStream.CopyTo(output);
            process.WaitForExit();
            Assert.That((process.ExitCode, complaint.Result), Is.EqualTo((0, "")));
            var bytes = output.ToArray();
            return [.. Enumerable.Range(0, bytes.Length / 2).Select(i => BinaryPrimitives.ReadInt16LittleEndian(bytes.AsSpan(2 * i)))];
        }
        catch (Win32Exception)
        {
            Assert.Ignore("ffmpeg is not installed");
            throw;
        }
        finally
        {
            File.Delete(path);
        }
    }
}
