using System.Diagnostics;

namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>A way to write sound: <c>response_format</c>.</summary>
/// <param name="Name">As requests name it.</param>
/// <param name="Encoder">ffmpeg's encoder; empty = this program writes it itself.</param>
/// <param name="Container">ffmpeg's container.</param>
internal sealed record SoundFormat(string Name, string MediaType, string Encoder = "", string Container = "")
{
    /// <summary>Samples per second of <c>pcm</c>, which has nowhere to say its own: what OpenAI's clients take it for.</summary>
    public const int PcmRate = 24_000;

    private static readonly SoundFormat[] _all =
    [
        new("mp3", "audio/mpeg", "libmp3lame", "mp3"), new("opus", "audio/ogg", "libopus", "ogg"), new("aac", "audio/aac", "aac", "adts"),
        new("flac", "audio/flac"), new("wav", "audio/wav"), new("pcm", "audio/pcm"),
    ];

    private static readonly Lazy<string?> _encoders = new(AskFfmpeg);

    /// <summary>What can be written here.</summary>
    public static IEnumerable<SoundFormat> Available => _all.Where(format => format.WhyNot is null);

    /// <summary>What is written when a request does not say: OpenAI's mp3, where that can be.</summary>
    public static SoundFormat Default => _all[0].WhyNot is null ? _all[0] : _all.Single(format => format.Name == "wav");

    /// <summary>Why this one cannot be written here; null = it can.</summary>
    public string? WhyNot => Encoder.Length == 0 ? null
        : _encoders.Value is not { } encoders ? "needs ffmpeg, which is not installed (not on PATH)"
        : encoders.Contains($" {Encoder} ", StringComparison.Ordinal) ? null : $"needs ffmpeg's encoder {Encoder}, which the one installed lacks";

    /// <summary>The format of a name; null for the default.</summary>
    /// <exception cref="ProblemException">There is none, or it cannot be written here.</exception>
    public static SoundFormat Find(string? name)
    {
        if (name is null)
        {
            return Default;
        }

        var format = Array.Find(_all, f => f.Name == name)
            ?? throw OpenAiError.Invalid("response_format", $"`response_format` is `{name}`, expected one of {string.Join(", ", _all.Select(f => f.Name))}");
        return format.WhyNot is { } reason
            ? throw OpenAiError.Invalid("response_format", $"`response_format` `{name}` {reason}; there are {string.Join(", ", Available.Select(f => f.Name))}")
            : format;
    }

    /// <summary>The encoders of the ffmpeg that is installed; null without one.</summary>
    private static string? AskFfmpeg()
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("ffmpeg", ["-v", "error", "-nostdin", "-encoders"]) { RedirectStandardOutput = true })!;
            var text = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return text;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
