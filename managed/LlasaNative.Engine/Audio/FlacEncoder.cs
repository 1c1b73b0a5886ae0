namespace LlasaNative.Audio;

/// <summary>Writes FLAC, one channel of 16 bits, as sound comes: fixed predictors and Rice codes, within the format's streamable subset (RFC 9639).</summary>
/// <remarks>
/// <para>Each frame of <see cref="FrameSamples"/> takes the predictor of order 0 to 4 and the Rice parameter that write it in the fewest
/// bits. The stream does not say its MD5, nor its length when that is not known beforehand, which the format allows. Of a rate above 65535
/// that is no multiple of 10 no frame can say it, and so the stream is outside of the subset.</para>
/// <para><b>Threads:</b> one at a time.</para>
/// </remarks>
/// <param name="sampleRate">Samples per second, 1 to 655350.</param>
/// <param name="length">Samples that will be written; null = not known yet.</param>
/// <example><code>FlacEncoder flac = new(16000, samples.Length); byte[] file = [.. flac.Header(), .. flac.Write(samples), .. flac.Finish()];</code></example>
public sealed class FlacEncoder(int sampleRate, long? length = null)
{
    /// <summary>Samples of every frame but the last.</summary>
    public const int FrameSamples = 4096;

    private const int MaxOrder = 4;
    private const uint RateInHertz = 13;    // and behind it: in tens of hertz
    private readonly List<short> _waiting = [];
    private readonly (uint Code, uint Value) _rate = RateOf(sampleRate);
    private long _frames;

    /// <summary>What comes first.</summary>
    public byte[] Header()
    {
        BitWriter bits = new();
        foreach (var letter in "fLaC"u8)
        {
            bits.Write(letter, 8);
        }

        bits.Write(0x80, 8);                // the last block of metadata, and its kind: STREAMINFO
        bits.Write(34, 24);
        bits.Write(FrameSamples, 16);
        bits.Write(FrameSamples, 16);
        bits.Write(0, 24);                  // sizes of frames: not known
        bits.Write(0, 24);
        bits.Write((uint)sampleRate, 20);
        bits.Write(0, 3);                   // channels - 1
        bits.Write(15, 5);                  // bits per sample - 1
        bits.Write((uint)((length ?? 0) >> 18), 18);
        bits.Write((uint)((length ?? 0) & 0x3FFFF), 18);
        for (var i = 0; i < 4; i++)
        {
            bits.Write(0, 32);              // MD5: not computed
        }

        return bits.ToArray();
    }

    /// <summary>Adds sound.</summary>
    /// <param name="samples">16-bit samples.</param>
    /// <returns>The frames that are full by now; may be empty.</returns>
    public byte[] Write(ReadOnlySpan<short> samples)
    {
        _waiting.AddRange(samples);
        List<byte> frames = [];
        var at = 0;
        for (; _waiting.Count - at >= FrameSamples; at += FrameSamples)
        {
            frames.AddRange(Frame(CollectionsMarshal.AsSpan(_waiting).Slice(at, FrameSamples)));
        }

        _waiting.RemoveRange(0, at);
        return [.. frames];
    }

    /// <summary>The last frame, shorter than the others; may be empty.</summary>
    public byte[] Finish()
    {
        byte[] last = _waiting.Count == 0 ? [] : Frame(CollectionsMarshal.AsSpan(_waiting));
        _waiting.Clear();
        return last;
    }

    private byte[] Frame(ReadOnlySpan<short> samples)
    {
        BitWriter bits = new();
        bits.Write(0b1111_1111_1111_10, 14);
        bits.Write(0, 2);                   // reserved; frames are numbered, for all but the last have one size
        bits.Write(7, 4);                   // the size stands at the end of this header, in 16 bits
        bits.Write(_rate.Code, 4);
        bits.Write(0, 4);                   // one channel
        bits.Write(4, 3);                   // 16 bits
        bits.Write(0, 1);
        WriteNumber(bits, _frames++);
        bits.Write((uint)(samples.Length - 1), 16);
        if (_rate.Code >= RateInHertz)
        {
            bits.Write(_rate.Value, 16);
        }

        bits.Write(Crc(bits.Written, 0x07, 8), 8);
        WriteSubframe(bits, samples);
        bits.Align();
        bits.Write(Crc(bits.Written, 0x8005, 16), 16);
        return bits.ToArray();
    }

    /// <summary>How a frame says its rate: one of those with a code of their own, or a number at the end of its header, or not (0).</summary>
    private static (uint Code, uint Value) RateOf(int sampleRate) => sampleRate switch
    {
        88_200 => (1, 0),
        176_400 => (2, 0),
        192_000 => (3, 0),
        8_000 => (4, 0),
        16_000 => (5, 0),
        22_050 => (6, 0),
        24_000 => (7, 0),
        32_000 => (8, 0),
        44_100 => (9, 0),
        48_000 => (10, 0),
        96_000 => (11, 0),
        <= ushort.MaxValue => (RateInHertz, (uint)sampleRate),
        _ when sampleRate % 10 == 0 => (RateInHertz + 1, (uint)sampleRate / 10),
        _ => (0, 0),
    };

    private static void WriteSubframe(BitWriter bits, ReadOnlySpan<short> samples)
    {
        // Differences of differences: entry o of a sample is what a polynomial of degree o - 1 through those before it misses.
        var residual = new int[samples.Length];
        for (var i = 0; i < samples.Length; i++)
        {
            residual[i] = samples[i];
        }

        var best = (Order: 0, Parameter: 0, Bits: long.MaxValue, Residual: Array.Empty<int>());
        for (var order = 0; order <= Math.Min(MaxOrder, samples.Length - 1); order++)
        {
            if (order > 0)
            {
                for (var i = samples.Length - 1; i >= order; i--)
                {
                    residual[i] -= residual[i - 1];
                }
            }

            var (parameter, cost) = Rice(residual.AsSpan(order));
            if (cost + (16 * order) < best.Bits)
            {
                best = (order, parameter, cost + (16 * order), residual[order..]);
            }
        }

        bits.Write((uint)(0b0_001000_0 | (best.Order << 1)), 8);
        for (var i = 0; i < best.Order; i++)
        {
            bits.Write((ushort)samples[i], 16);
        }

        bits.Write(0, 2);                   // Rice codes with parameters of 4 bits
        bits.Write(0, 4);                   // one partition
        bits.Write((uint)best.Parameter, 4);
        foreach (var value in best.Residual)
        {
            var folded = Fold(value);
            for (var zeros = folded >> best.Parameter; zeros > 0; zeros -= Math.Min(zeros, 32))
            {
                bits.Write(0, (int)Math.Min(zeros, 32));
            }

            bits.Write(1, 1);
            bits.Write(folded & ((1u << best.Parameter) - 1), best.Parameter);
        }
    }

    private static uint Fold(int value) => (uint)(value << 1) ^ (uint)(value >> 31);

    /// <summary>The parameter with the fewest bits, and those; 15 would mean something else.</summary>
    private static (int Parameter, long Bits) Rice(ReadOnlySpan<int> residual)
    {
        var best = (0, long.MaxValue);
        for (var parameter = 0; parameter < 15; parameter++)
        {
            long cost = 0;
            foreach (var value in residual)
            {
                cost += 1 + parameter + (Fold(value) >> parameter);
            }

            best = cost < best.Item2 ? (parameter, cost) : best;
        }

        return best;
    }

    /// <summary>A number as UTF-8 would write it if it went on to 36 bits.</summary>
    private static void WriteNumber(BitWriter bits, long number)
    {
        if (number < 0x80)
        {
            bits.Write((uint)number, 8);
            return;
        }

        // n bytes behind the first carry 6 bits each, the first 6 - n.
        var more = 1;
        while (number >> ((6 * more) + 6 - more) != 0)
        {
            more++;
        }

        bits.Write(((0xFFu << (7 - more)) & 0xFF) | (uint)(number >> (6 * more)), 8);
        for (var i = more - 1; i >= 0; i--)
        {
            bits.Write(0x80 | (uint)((number >> (6 * i)) & 0x3F), 8);
        }
    }

    private static uint Crc(ReadOnlySpan<byte> bytes, uint polynomial, int width)
    {
        uint crc = 0;
        foreach (var value in bytes)
        {
            crc ^= (uint)value << (width - 8);
            for (var bit = 0; bit < 8; bit++)
            {
                crc = (crc << 1) ^ ((crc >> (width - 1) & 1) * polynomial);
            }
        }

        return crc & (uint)((1ul << width) - 1);
    }

    private sealed class BitWriter
    {
        private readonly List<byte> _bytes = [];
        private ulong _pending;
        private int _count;

        public ReadOnlySpan<byte> Written => CollectionsMarshal.AsSpan(_bytes);

        public void Write(uint value, int count)
        {
            _pending = (_pending << count) | value;
            for (_count += count; _count >= 8; _count -= 8)
            {
                _bytes.Add((byte)(_pending >> (_count - 8)));
            }
        }

        public void Align() => Write(0, (8 - _count) & 7);

        public byte[] ToArray() => [.. _bytes];
    }
}
