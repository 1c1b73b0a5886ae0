using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using LlasaNative.Weights;

namespace LlasaNative.Audio;

/// <summary>Reads sound files of any kind: WAV itself, everything else through ffmpeg where that is installed.</summary>
/// <remarks>What a file is, its first bytes say, not its name. <b>Threads:</b> stateless, any thread.</remarks>
/// <example><code>WaveAudio audio = SoundFile.Read("a.flac", Console.Error.WriteLine);</code></example>
public static class SoundFile
{
    private const string Program = "ffmpeg";
    private static readonly string[] _endings = [".wav", ".flac", ".mp3", ".opus", ".ogg", ".m4a", ".aac"];

    /// <summary>Whether a file is a sound, by its ending.</summary>
    /// <param name="path">Its path.</param>
    public static bool IsKnown(string path) => _endings.Contains(Path.GetExtension(path).ToLowerInvariant());

    /// <summary>Reads a file.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="warn">Told in one line what is odd about the file; may be null.</param>
    /// <param name="cancellation">Ends ffmpeg.</param>
    /// <returns>Its channels mixed down to one, at its own rate.</returns>
    /// <exception cref="ModelFileException">The file is missing, damaged or of a kind that cannot be read here.</exception>
    public static WaveAudio Read(string path, Action<string>? warn = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var file = FileErrors.ReadAllBytes(path);
        return IsWave(file) ? WaveFile.Parse(file, path, warn) : Convert(path, path, cancellation);
    }

    /// <summary>Reads a file from memory.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="name">Name for messages.</param>
    /// <param name="warn">As for <see cref="Read"/>.</param>
    /// <param name="cancellation">Ends ffmpeg.</param>
    /// <exception cref="ModelFileException">As <see cref="Read"/>.</exception>
    public static WaveAudio Parse(byte[] file, string name, Action<string>? warn = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (IsWave(file))
        {
            return WaveFile.Parse(file, name, warn);
        }

        // Some kinds (MP4) are read from their end: ffmpeg needs a file, not a pipe.
        var temporary = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(temporary, file);
            return Convert(temporary, name, cancellation);
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

    private static bool IsWave(ReadOnlySpan<byte> file) =>
        file.StartsWith("RIFF"u8) || file.StartsWith("RF64"u8) || file.StartsWith("BW64"u8) || file.IsEmpty;

    private static WaveAudio Convert(string path, string name, CancellationToken cancellation)
    {
        // `file:`, for a name with a colon would else be an address. Floats, so that nothing is rounded or clipped.
        ProcessStartInfo start = new(Program)
        {
            ArgumentList = { "-v", "error", "-nostdin", "-i", "file:" + path, "-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "wav", "pipe:1" },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Start(start, name);
        using var ends = cancellation.Register(process.Kill);
        var complaint = process.StandardError.ReadToEndAsync(CancellationToken.None);
        using MemoryStream output = new();
        process.StandardOutput.BaseStream.CopyTo(output);
        process.WaitForExit();
        cancellation.ThrowIfCancellationRequested();
        return process.ExitCode == 0 && complaint.Result.Length == 0
            ? WaveFile.Parse(output.GetBuffer().AsSpan(0, (int)output.Length), name)
            : throw new ModelFileException(name, null, $"{Program} cannot read it: {Last(complaint.Result, process.ExitCode)}");
    }

    private static Process Start(ProcessStartInfo start, string name)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new ModelFileException(name, null, $"not a WAV file, and {Program}, which reads other kinds, is not installed (not on PATH)", e);
        }
    }

    private static string Last(string complaint, int code) => complaint.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) is [.., var last]
        ? last
        : string.Create(CultureInfo.InvariantCulture, $"it ended with {code}");
}
