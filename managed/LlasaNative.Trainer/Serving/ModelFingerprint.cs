using System.Security.Cryptography;

namespace LlasaNative.Trainer.Serving;

/// <summary>Names models so that other weights or another configuration have another name.</summary>
internal static class ModelFingerprint
{
    private static readonly string[] Patterns = ["*.safetensors", "*.json", "merges.txt"];

    /// <summary>Names of codec and recogniser, each with the first 12 hex digits of the SHA-256 of its files, and the type they compute in unless it is float32.</summary>
    public static string Of(ModelOptions models) =>
        $"{Of(models.Recogniser)}+{Of(models.Codec)}{(models.ScoringType == ComputeType.F32 ? "" : "+" + OptionNames.Of(models.ScoringType))}";

    /// <summary>Name of one model.</summary>
    public static string Of(string model)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        IEnumerable<string> files = File.Exists(model) ? [model] : Patterns.SelectMany(p => Directory.EnumerateFiles(model, p)).OrderBy(Path.GetFileName, StringComparer.Ordinal);
        var buffer = new byte[1 << 20];
        foreach (var file in files)
        {
            hash.AppendData(System.Text.Encoding.UTF8.GetBytes(Path.GetFileName(file) + "\0"));
            using var stream = File.OpenRead(file);
            for (int read; (read = stream.Read(buffer)) > 0;)
            {
                hash.AppendData(buffer, 0, read);
            }
        }

        var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(model)));
        return $"{name}@{Convert.ToHexStringLower(hash.GetHashAndReset())[..12]}";
    }
}
