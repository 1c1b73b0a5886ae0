using System.Diagnostics;
using LlasaNative.Tests.Support;
using LlasaNative.Weights;

namespace LlasaNative.WhisperNet.Tests;

/// <summary>ggml files of the repository's own models, and how exactly whisper.cpp computes with them.</summary>
internal static class Ggml
{
    public static string TinyWhisper => Path.Combine(OracleData.RepositoryRoot, "assets", "tiny", "whisper");

    /// <summary>The file of the tiny recogniser; the test is ignored, with a message, where there is no Python.</summary>
    public static string Tiny(string folder)
    {
        var path = Path.Combine(folder, "tiny.bin");
        ProcessStartInfo start = new("python3", [Path.Combine(OracleData.RepositoryRoot, "tests", "oracle", "gen_ggml.py"), TinyWhisper, path, "--standard"]);
        try
        {
            using var process = Process.Start(start)!;
            process.WaitForExit();
            Assert.That(process.ExitCode, Is.Zero, "gen_ggml.py");
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Ignore("SKIPPED: python3, which makes the file, is not installed");
        }

        return path;
    }

    /// <summary>
    /// How far a mean log-prob may lie from exact arithmetic: four standard deviations. whisper.cpp rounds both factors of a
    /// product and what it caches to f16, each time a relative 2^-12 (root mean square) of the state. The roundings are
    /// independent, so n of them grow as sqrt(n). An encoder layer has 6 products (q, k, v, out and two of the feed-forward part)
    /// and 2 of attention itself, a decoder layer 6 more for the sound; 2 convolutions and the head come to that. An error in
    /// no particular direction of D turns into |row of the embedding| / sqrt(D) of it in a logit, and a log-prob is a logit less
    /// a mean of others: sqrt(2) of it.
    /// </summary>
    public static double LogProbBound(string model)
    {
        var config = WhisperConfig.FromFile(Path.Combine(model, "config.json"));
        using var file = SafeTensorsFile.Open(Path.Combine(model, "model.safetensors"));
        var rows = file.ReadFloats("model.decoder.embed_tokens.weight").Chunk(config.HiddenSize).Max(Norm);
        var state = (Math.Sqrt(config.HiddenSize) * file.ReadFloats("model.decoder.layer_norm.weight").Max(Math.Abs)) + Norm(file.ReadFloats("model.decoder.layer_norm.bias"));
        var roundings = (8 * config.EncoderLayers) + (14 * config.DecoderLayers) + 3;
        return 4 * Math.Sqrt(2 * roundings) * Math.Pow(2, -12) * rows * state / Math.Sqrt(config.HiddenSize);
    }

    private static double Norm(float[] values) => Math.Sqrt(values.Sum(x => (double)x * x));
}
