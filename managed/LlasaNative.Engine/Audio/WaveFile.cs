using System.Buffers.Binary;

namespace LlasaNative.Audio;

/// <summary>Reads and writes RIFF/WAVE files.</summary>
/// <remarks>
/// <para>Reads PCM of 1 to 32 bits, floats of 32 and 64 bits and G.711, any number of channels up to 64 (mixed down to
/// one), plain and extensible headers, RIFF, RF64 and BW64; chunks it does not know are skipped. A header that does not know
/// the length, as of a pipe, or is wrong about it, is no fault: what is there is read. Writes 16-bit PCM, one channel.</para>
/// <para><b>Threads:</b> stateless, any thread.</para>
/// </remarks>
/// <example><code>WaveAudio audio = Resampler.Resample(WaveFile.Read("a.wav"), 16000);</code></example>
public static class WaveFile
{
    private const int HeaderBytes = 44;
    private const int FormatPcm = 1;
    private const int FormatFloat = 3;
    private const int FormatALaw = 6;
    private const int FormatMuLaw = 7;
    private const int FormatExtensible = 0xFFFE;
    private const uint UnknownLength = 0x7FFF0000;

    /// <summary>Reads a file.</summary>
    /// <param name="path">Path of the file, or of a pipe.</param>
    /// <param name="warn">Told in one line when a file does not have the length its header says; may be null.</param>
    /// <exception cref="ModelFileException">The file is missing, malformed or of a kind not supported; the message names the chunk.</exception>
    public static WaveAudio Read(string path, Action<string>? warn = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Parse(FileErrors.ReadAllBytes(path), path, warn);
    }

    /// <summary>Reads a file from memory.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="path">Name for messages.</param>
    /// <param name="warn">As for <see cref="Read"/>.</param>
    /// <exception cref="ModelFileException">As <see cref="Read"/>.</exception>
    public static WaveAudio Parse(ReadOnlySpan<byte> file, string path, Action<string>? warn = null)
    {
        bool isLarge = file.Length >= 4 && (file[..4].SequenceEqual("RF64"u8) || file[..4].SequenceEqual("BW64"u8));
        if (file.Length < 12 || !(isLarge || file[..4].SequenceEqual("RIFF"u8)) || !file[8..12].SequenceEqual("WAVE"u8))
        {
            throw new ModelFileException(path, null, "not a WAV file (RIFF/WAVE header expected)");
        }

        Lengths lengths = new(BinaryPrimitives.ReadUInt32LittleEndian(file[4..]), null);
        Format? format = null;
        int at = 12;
        while (at <= file.Length - 8)
        {
            ReadOnlySpan<byte> name = file.Slice(at, 4);
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(file[(at + 4)..]);
            at += 8;
            if (name.SequenceEqual("data"u8))
            {
                int count = DataLength(file.Length, at, length, lengths, path, warn);
                Format known = format ?? throw new ModelFileException(path, "fmt", "missing before the data");
                return Decode(WithMore(file.Slice(at, count), file[Math.Min(at + count + (count & 1), file.Length)..]), known, path, warn);
            }

            ModelFileException.ThrowIf(
                length > file.Length - at, path, "chunk", $"says it has {length} bytes, the file holds {file.Length - at} more (truncated file?)");
            ReadOnlySpan<byte> chunk = file.Slice(at, (int)length);
            if (name.SequenceEqual("fmt "u8))
            {
                format = ReadFormat(chunk, path);
            }
            else if (isLarge && name.SequenceEqual("ds64"u8) && length >= 16)
            {
                lengths = new Lengths(BinaryPrimitives.ReadUInt64LittleEndian(chunk), BinaryPrimitives.ReadUInt64LittleEndian(chunk[8..]));
            }

            at += (int)length + (int)(length & 1);
        }

        throw new ModelFileException(path, "data", "missing");
    }

    /// <summary>Whether a file is a WAV whose samples are coded as none of those that are read here, such as ADPCM or MP3.</summary>
    /// <param name="file">The whole file, or its beginning.</param>
    internal static bool IsOfOtherCode(ReadOnlySpan<byte> file)
    {
        for (int at = 12; at <= file.Length - 8;)
        {
            long length = BinaryPrimitives.ReadUInt32LittleEndian(file[(at + 4)..]);
            ReadOnlySpan<byte> chunk = file[(at + 8)..];
            if (file.Slice(at, 4).SequenceEqual("fmt "u8))
            {
                return length >= 16 && length <= chunk.Length && !IsSupported(KindOf(chunk[..(int)length]), BinaryPrimitives.ReadUInt16LittleEndian(chunk[14..]));
            }

            if (length > chunk.Length)
            {
                return false;
            }

            at += 8 + (int)length + (int)(length & 1);
        }

        return false;
    }

    /// <summary>Writes 16-bit PCM; a file that is there is replaced, and nothing is left when writing fails.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="samples">Amplitudes; beyond ±1 they are clipped, NaN becomes 0.</param>
    /// <param name="sampleRate">Samples per second, positive.</param>
    /// <exception cref="ModelFileException">The file cannot be written, for example because the disk is full.</exception>
    public static void Write(string path, ReadOnlySpan<float> samples, int sampleRate)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        byte[] file = Encode(samples, sampleRate);
        AtomicFile.Write(path, to => File.WriteAllBytes(to, file));
    }

    /// <summary>The bytes of a file of 16-bit PCM.</summary>
    /// <param name="samples">Amplitudes; beyond ±1 they are clipped, NaN becomes 0.</param>
    /// <param name="sampleRate">Samples per second, positive.</param>
    public static byte[] Encode(ReadOnlySpan<float> samples, int sampleRate) =>
        [.. Header(samples.Length, sampleRate), .. MemoryMarshal.AsBytes<short>(ToPcm(samples))];

    /// <summary>What stands before the samples of a file of 16-bit PCM.</summary>
    /// <param name="samples">How many follow; null = nobody knows yet: the header says the most it can, as of a pipe.</param>
    /// <param name="sampleRate">Samples per second, positive.</param>
    public static byte[] Header(long? samples, int sampleRate)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sampleRate);
        byte[] file = new byte[HeaderBytes];
        Span<byte> b = file;
        "RIFF"u8.CopyTo(b);
        BinaryPrimitives.WriteUInt32LittleEndian(b[4..], samples is { } known ? checked((uint)((2 * known) + HeaderBytes - 8)) : uint.MaxValue);
        "WAVEfmt "u8.CopyTo(b[8..]);
        BinaryPrimitives.WriteInt32LittleEndian(b[16..], 16);
        BinaryPrimitives.WriteInt16LittleEndian(b[20..], FormatPcm);
        BinaryPrimitives.WriteInt16LittleEndian(b[22..], 1);
        BinaryPrimitives.WriteInt32LittleEndian(b[24..], sampleRate);
        BinaryPrimitives.WriteInt32LittleEndian(b[28..], checked(2 * sampleRate));
        BinaryPrimitives.WriteInt16LittleEndian(b[32..], 2);
        BinaryPrimitives.WriteInt16LittleEndian(b[34..], 16);
        "data"u8.CopyTo(b[36..]);
        BinaryPrimitives.WriteUInt32LittleEndian(b[40..], samples is { } count ? checked((uint)(2 * count)) : uint.MaxValue);
        return file;
    }

    /// <summary>Samples as 16-bit numbers.</summary>
    /// <param name="samples">Amplitudes; beyond ±1 they are clipped, NaN becomes 0.</param>
    public static short[] ToPcm(ReadOnlySpan<float> samples)
    {
        short[] scaled = new short[samples.Length];
        for (int i = 0; i < samples.Length; i++)
        {
            float value = float.IsNaN(samples[i]) ? 0 : Math.Clamp(samples[i], -1f, 1f);
            scaled[i] = (short)Math.Clamp((int)MathF.Round(value * 32768f), short.MinValue, short.MaxValue);
        }

        return scaled;
    }

    // Some recorders write a chunk of sound after another; a file may hold millions.
    private static ReadOnlySpan<byte> WithMore(ReadOnlySpan<byte> data, ReadOnlySpan<byte> behind)
    {
        MemoryStream? all = null;
        while (behind.Length >= 8)
        {
            int length = (int)Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(behind[4..]), (uint)(behind.Length - 8));
            if (length > 0 && behind.StartsWith("data"u8))
            {
                if (all is null)
                {
                    all = new MemoryStream(data.Length + behind.Length);   // no more than the file has
                    all.Write(data);
                }

                all.Write(behind.Slice(8, length));
            }

            behind = behind[Math.Min(8 + length + (length & 1), behind.Length)..];
        }

        return all is null ? data : all.GetBuffer().AsSpan(0, (int)all.Length);
    }

    // How many bytes of sound there are from a place on. Whoever writes to a pipe cannot say: ffmpeg leaves 0xFFFFFFFF, SoX
    // 0x7FFFFFFF less the header, others 0; then, and in a file that was cut, all that follows is sound.
    private static int DataLength(int fileLength, int at, uint length, Lengths lengths, string path, Action<string>? warn)
    {
        int left = fileLength - at;
        ulong said = length == uint.MaxValue && lengths.Data is { } large ? large : length;
        bool isWhole = lengths.File <= int.MaxValue && Math.Abs((long)lengths.File + 8 - fileLength) <= 1;
        bool isUnknown = said >= UnknownLength && said > (ulong)left;
        if (isUnknown || (said == 0 && !isWhole))
        {
            return left;
        }

        if (said > (ulong)left)
        {
            ModelFileException.ThrowIf(left == 0, path, "data", $"says it has {said} bytes, the file ends before them (truncated file?)");
            warn?.Invoke(FormattableString.Invariant($"{path}: its header says {said} bytes of sound, {left} are there and are read (truncated file?)"));
            return left;
        }

        if (!isWhole && lengths.File is > 0 and < UnknownLength)
        {
            warn?.Invoke(FormattableString.Invariant($"{path}: its header says {lengths.File + 8} bytes, the file has {fileLength}; the {said} bytes of sound are read"));
        }

        return (int)said;
    }

    private static Format ReadFormat(ReadOnlySpan<byte> chunk, string path)
    {
        ModelFileException.ThrowIf(chunk.Length < 16, path, "fmt", $"{chunk.Length} bytes, expected at least 16");
        int kind = KindOf(chunk);
        int channels = BinaryPrimitives.ReadUInt16LittleEndian(chunk[2..]);
        long rate = BinaryPrimitives.ReadUInt32LittleEndian(chunk[4..]);
        int blockAlign = BinaryPrimitives.ReadUInt16LittleEndian(chunk[12..]);
        int bits = BinaryPrimitives.ReadUInt16LittleEndian(chunk[14..]);
        ModelFileException.ThrowIf(kind == FormatExtensible, path, "fmt", $"{chunk.Length} bytes, an extensible header has 40");
        ModelFileException.ThrowIf(!IsSupported(kind, bits), path, "fmt",
            $"format {kind} with {bits} bits is not supported, expected PCM (1 to 32 bits), float (32 or 64 bits), A-law or mu-law (8 bits)");
        ModelFileException.ThrowIf(channels is < 1 or > 64, path, "fmt", $"{channels} channels, expected 1 to 64");
        ModelFileException.ThrowIf(rate is < 100 or > 1_000_000, path, "fmt", $"{rate} samples per second, expected 100 to 1000000");
        // Samples of 12 or 20 bits are the upper bits of whole bytes.
        int bytes = (bits + 7) / 8;
        return blockAlign == channels * bytes
            ? new Format(kind, channels, (int)rate, bytes)
            : throw new ModelFileException(path, "fmt", FormattableString.Invariant($"{blockAlign} bytes per frame, expected {channels * bytes}"));
    }

    // Of an extensible header the real format is the start of a GUID at byte 24.
    private static int KindOf(ReadOnlySpan<byte> format) =>
        BinaryPrimitives.ReadUInt16LittleEndian(format) is var kind && kind == FormatExtensible && format.Length >= 40
            ? BinaryPrimitives.ReadUInt16LittleEndian(format[24..])
            : kind;

    private static bool IsSupported(int kind, int bits) => kind switch
    {
        FormatPcm => bits is >= 1 and <= 32,
        FormatFloat => bits is 32 or 64,
        FormatALaw or FormatMuLaw => bits == 8,
        _ => false,
    };

    private static WaveAudio Decode(ReadOnlySpan<byte> data, Format format, string path, Action<string>? warn)
    {
        int frame = format.Channels * format.Bytes;
        if (data.Length % frame != 0)
        {
            warn?.Invoke(FormattableString.Invariant($"{path}: {data.Length} bytes of sound are not a multiple of the {frame} bytes of a frame; the last {data.Length % frame} are left out"));
        }

        float[] samples = new float[data.Length / frame];
        for (int i = 0; i < samples.Length; i++)
        {
            double sum = 0;
            for (int channel = 0; channel < format.Channels; channel++)
            {
                sum += Sample(data.Slice((i * frame) + (channel * format.Bytes), format.Bytes), format.Kind);
            }

            samples[i] = (float)(sum / format.Channels);
            if (!float.IsFinite(samples[i]))
            {
                throw new ModelFileException(path, "data", FormattableString.Invariant($"sample {i} is not a finite number"));
            }
        }

        return new WaveAudio(samples, format.Rate);
    }

    private static double Sample(ReadOnlySpan<byte> bytes, int kind) => (kind, bytes.Length) switch
    {
        (FormatMuLaw, _) => G711.FromMuLaw(bytes[0]) / 32768.0,
        (FormatALaw, _) => G711.FromALaw(bytes[0]) / 32768.0,
        (FormatFloat, 4) => BinaryPrimitives.ReadSingleLittleEndian(bytes),
        (FormatFloat, _) => BinaryPrimitives.ReadDoubleLittleEndian(bytes),
        (_, 1) => (bytes[0] - 128) / 128.0,
        (_, 2) => BinaryPrimitives.ReadInt16LittleEndian(bytes) / 32768.0,
        (_, 3) => ((sbyte)bytes[2] << 16 | bytes[1] << 8 | bytes[0]) / 8388608.0,
        _ => BinaryPrimitives.ReadInt32LittleEndian(bytes) / 2147483648.0,
    };

    // What the header says: bytes after its first eight, and those of a large file's data.
    private readonly record struct Lengths(ulong File, ulong? Data);

    private sealed record Format(int Kind, int Channels, int Rate, int Bytes);
}
