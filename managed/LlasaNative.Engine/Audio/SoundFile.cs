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
    /// <param name="cancellation">Ends ffmpeg.</param>
    /// <returns>Its channels mixed down to one, at its own rate.</returns>
    /// <exception cref="ModelFileException">The file is missing, damaged, too long or of a kind that cannot be read here.</exception>
    public static WaveAudio Read(string path, Action<string>? warn = null, double longest = double.PositiveInfinity, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var file = FileErrors.ReadAllBytes(path);
        return IsWave(file) ? Short(WaveFile.Parse(file, path, warn), path, longest) : Convert(path, path, longest, cancellation);
    }

    /// <summary>Reads a file from memory.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="name">Name for messages.</param>
    /// <param name="warn">As for <see cref="Read"/>.</param>
    /// <param name="longest">As for <see cref="Read"/>.</param>
    /// <param name="cancellation">Ends ffmpeg.</param>
    /// <exception cref="ModelFileException">As <see cref="Read"/>.</exception>
    public static WaveAudio Parse(byte[] file, string name, Action<string>? warn = null, double longest = double.PositiveInfinity, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (IsWave(file))
        {
            return Short(WaveFile.Parse(file, name, warn), name, longest);
        }

        // Some kinds (MP4) are read from their end: ffmpeg needs a file, not a pipe.
        var temporary = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(temporary, file);
            return Convert(temporary, name, longest, cancellation);
        }
        catch (Exception e) when (FileErrors.IsWriteFailure(e))
        {
            throw FileErrors.Unwritable(temporary, e);
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

    private static ModelFileException TooLong(string name, double longest) =>
        new(name, null, string.Create(CultureInfo.InvariantCulture, $"more than {longest:G} s of sound are not taken"));

    private static WaveAudio Convert(string path, string name, double longest, CancellationToken cancellation)
    {
        // `file:`, for a name with a colon would else be an address. Floats, so that nothing is rounded or clipped.
        // A second more than the longest, so that what is longer is seen to be.
        string[] length = double.IsFinite(longest) ? ["-t", (longest + 1).ToString("F3", CultureInfo.InvariantCulture)] : [];
        ProcessStartInfo start = new(Program, ["-v", "error", "-nostdin", "-i", "file:" + path, "-map", "0:a:0", .. length, "-c:a", "pcm_f32le", "-f", "wav", "pipe:1"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Start(start, name);
        using var ends = cancellation.Register(process.Kill);
        var complaint = process.StandardError.ReadToEndAsync(CancellationToken.None);
        using MemoryStream output = new();
        if (!Copy(process.StandardOutput.BaseStream, output, double.IsFinite(longest) ? (long)((longest + 1) * MostBytesPerSecond) : long.MaxValue))
        {
            process.Kill();
            throw TooLong(name, longest);
        }

        process.WaitForExit();
        cancellation.ThrowIfCancellationRequested();
        return process.ExitCode == 0 && complaint.Result.Length == 0
            ? Short(WaveFile.Parse(output.GetBuffer().AsSpan(0, (int)output.Length), name), name, longest)
            : throw new ModelFileException(name, null, $"{Program} cannot read it: {Last(complaint.Result, process.ExitCode)}");
    }

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

    private static string Last(string complaint, int code) => complaint.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) is [.., var last]
        ? last
        : string.Create(CultureInfo.InvariantCulture, $"it ended with {code}");
}
