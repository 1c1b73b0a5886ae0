using System.ComponentModel;
using System.Diagnostics;

namespace LlasaNative.Audio;

/// <summary>Reads sound files of any kind: plain WAV itself, everything else through ffmpeg where that is installed.</summary>
/// <remarks>What a file is, its first bytes say, not its name. <b>Threads:</b> stateless, any thread.</remarks>
/// <example><code>WaveAudio audio = SoundFile.Read("a.flac", Console.Error.WriteLine);</code></example>
public static class SoundFile
{
    private const string Program = "ffmpeg";

    // Of a second of a sound whose length is bounded, unpacked: two channels of 192 kHz, or eight of 48.
    private const int MostBytesPerSecond = 192_000 * 2 * sizeof(float);

    private static readonly string[] _endings = [".wav", ".flac", ".mp3", ".opus", ".ogg", ".m4a", ".aac"];

    /// <summary>Whether a file is a sound, by its ending.</summary>
    /// <param name="path">Its path.</param>
    public static bool IsKnown(string path) => _endings.Contains(Path.GetExtension(path).ToLowerInvariant());

    /// <summary>Reads a file.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="warn">Told in one line what is odd about the file; may be null.</param>
    /// <param name="longest">Seconds of the longest sound that is read: a small file may be hours of it.</param>
    /// <param name="part">Which part of it is read: where that begins and how long it is, in seconds; null = all, or to the end.</param>
    /// <param name="cancellation">Ends ffmpeg.</param>
    /// <returns>Its channels mixed down to one, at its own rate.</returns>
    /// <exception cref="ModelFileException">The file is missing, damaged, too long or of a kind that cannot be read here.</exception>
    public static WaveAudio Read(
        string path, Action<string>? warn = null, double longest = double.PositiveInfinity, (double Start, double? Seconds)? part = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var file = FileErrors.ReadAllBytes(path);
        return IsWave(file) ? Short(Cut(WaveFile.Parse(file, path, warn), part), path, longest) : Convert(path, path, longest, part, cancellation);
    }

    /// <summary>Reads a file from memory.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="name">Name for messages.</param>
    /// <param name="warn">As for <see cref="Read"/>.</param>
    /// <param name="longest">As for <see cref="Read"/>.</param>
    /// <param name="part">As for <see cref="Read"/>.</param>
    /// <param name="cancellation">Ends ffmpeg.</param>
    /// <exception cref="ModelFileException">As <see cref="Read"/>.</exception>
    /// <exception cref="IOException">The file that ffmpeg reads cannot be written: no fault of the sound's.</exception>
    public static WaveAudio Parse(
        byte[] file, string name, Action<string>? warn = null, double longest = double.PositiveInfinity, (double Start, double? Seconds)? part = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (IsWave(file))
        {
            return Short(Cut(WaveFile.Parse(file, name, warn), part), name, longest);
        }

        // Some kinds (MP4) are read from their end: ffmpeg needs a file, not a pipe.
        var temporary = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(temporary, file);
            return Convert(temporary, name, longest, part, cancellation);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    // A WAV may hold sound as MP3 or ADPCM has it, and RIFF a film.
    private static bool IsWave(ReadOnlySpan<byte> file) => file.IsEmpty
        || ((file.StartsWith("RIFF"u8) || file.StartsWith("RF64"u8) || file.StartsWith("BW64"u8))
            && (file.Length < 12 || (file[8..12].SequenceEqual("WAVE"u8) && !WaveFile.IsOfOtherCode(file))));

    private static WaveAudio Short(WaveAudio audio, string name, double longest) => audio.Seconds <= longest ? audio : throw TooLong(name, longest);

    private static WaveAudio Cut(WaveAudio audio, (double Start, double? Seconds)? part) => part is var (start, seconds) ? audio.Part(start, seconds) : audio;

    private static ModelFileException TooLong(string name, double longest) =>
        new(name, null, string.Create(CultureInfo.InvariantCulture, $"more than {longest:G} s of sound are not taken"));

    private static WaveAudio Convert(string path, string name, double longest, (double Start, double? Seconds)? part, CancellationToken cancellation)
    {
        // `file:`, for a name with a colon would else be an address. Floats, so that nothing is rounded or clipped.
        // A second more than the longest, so that what is longer is seen to be. A part is cut out behind the decoder, to the sample: hours
        // of which a sentence is wanted need not be in memory.
        var seconds = Math.Min(part?.Seconds ?? double.PositiveInfinity, longest + 1);
        string[] from = part is var (begin, _) ? ["-ss", Time(begin)] : [], length = double.IsFinite(seconds) ? ["-t", Time(seconds)] : [];
        ProcessStartInfo start = new(Program, ["-v", "error", "-nostdin", "-i", "file:" + path, "-map", "0:a:0", .. from, .. length, "-c:a", "pcm_f32le", "-f", "wav", "pipe:1"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Start(start, name);
        using var ends = cancellation.Register(process.Kill);
        var complaint = process.StandardError.ReadToEndAsync(CancellationToken.None);
        using MemoryStream output = new();
        if (!Copy(process.StandardOutput.BaseStream, output, (long)Math.Min(Array.MaxLength, (longest + 1) * MostBytesPerSecond)))
        {
            process.Kill();
            throw double.IsFinite(longest) ? TooLong(name, longest) : new ModelFileException(name, null, "more than 2 GiB of sound, unpacked, are not taken");
        }

        process.WaitForExit();
        cancellation.ThrowIfCancellationRequested();
        return process.ExitCode == 0 && complaint.Result.Length == 0
            ? Short(WaveFile.Parse(output.GetBuffer().AsSpan(0, (int)output.Length), name), name, longest)
            : throw new ModelFileException(name, null, $"{Program} cannot read it: {Last(complaint.Result, process.ExitCode)}");
    }

    private static string Time(double seconds) => seconds.ToString("F6", CultureInfo.InvariantCulture);

    /// <summary>Copies a stream; false when it holds more than so many bytes.</summary>
    private static bool Copy(Stream from, MemoryStream to, long most)
    {
        var buffer = new byte[1 << 16];
        for (int read; (read = from.Read(buffer)) > 0;)
        {
            if (to.Length + read > most)
            {
                return false;
            }

            to.Write(buffer, 0, read);
        }

        return true;
    }

    private static Process Start(ProcessStartInfo start, string name)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new ModelFileException(name, null, $"not a WAV file of PCM, float or G.711, and {Program}, which reads other kinds, is not installed (not on PATH)", e);
        }
    }

    // A picture or a film without sound ends with advice about this program's own arguments.
    private static string Last(string complaint, int code) => complaint.Contains("matches no streams", StringComparison.Ordinal) ? "it holds no sound"
        : complaint.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) is [.., var last] ? last
        : string.Create(CultureInfo.InvariantCulture, $"it ended with {code}");
}
