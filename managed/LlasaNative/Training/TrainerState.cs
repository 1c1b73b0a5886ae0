using System.Text.Encodings.Web;
using System.Text.Json;
using LlasaNative.Interop;
using LlasaNative.Models;
using LlasaNative.Weights;

namespace LlasaNative.Training;

/// <summary>What a checkpoint holds besides the policy: optimiser moments, position and options.</summary>
/// <remarks>
/// Two files in the folder <c>trainer/</c> of a checkpoint: <c>moments.safetensors</c> (names of the parameters with
/// <c>.moment1</c> and <c>.moment2</c>, float32) and <c>state.json</c>.
/// </remarks>
public sealed record TrainerState
{
    private const string Folder = "trainer";
    private const string StateFile = "state.json";
    private const string MomentsFile = "moments.safetensors";

    /// <summary>Steps of the run that were taken.</summary>
    public required long Step { get; init; }

    /// <summary>Steps the optimiser took: those that were not skipped.</summary>
    public required long OptimiserStep { get; init; }

    /// <summary>How far the walk through the data had come, in items.</summary>
    public required long DataPosition { get; init; }

    /// <summary>Bytes of the metrics file at that moment.</summary>
    public required long MetricsLength { get; init; }

    /// <summary>Bytes of the samples file at that moment.</summary>
    public required long SamplesLength { get; init; }

    /// <summary>Every option of the run.</summary>
    public required IReadOnlyDictionary<string, string> Options { get; init; }

    /// <summary>Where the run was started, to which paths among the options are relative; null in older checkpoints.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>As of <see cref="RunSettings.DataFingerprint"/>; null when nobody said, and in older checkpoints.</summary>
    public string? DataFingerprint { get; init; }

    /// <summary>Writes policy (of one with an adapter the adapter alone), moments and position into a checkpoint.</summary>
    /// <param name="directory">An existing directory.</param>
    /// <param name="loop">Whose policy and optimiser are saved.</param>
    public void Save(string directory, ITrainingLoop loop)
    {
        ArgumentNullException.ThrowIfNull(loop);
        if (loop.Policy.Adapter is { } adapter)
        {
            adapter.Save(directory);
        }
        else
        {
            loop.Policy.Save(directory, TensorType.F32);
        }

        var folder = Directory.CreateDirectory(Path.Combine(directory, Folder)).FullName;
        var tensors = loop.Policy.TrainedTensors;
        using (SafeTensorsWriter writer = new(Path.Combine(folder, MomentsFile), tensors.SelectMany(t => Moments(t).Select(m => m.Info))))
        {
            foreach (var tensor in tensors)
            {
                var values = new float[tensor.Count];
                foreach (var (info, kind) in Moments(tensor))
                {
                    loop.Trainer.GetState(kind, tensor.Name, values);
                    writer.Write(info.Name, values);
                }
            }

            writer.Complete();
        }

        File.WriteAllBytes(Path.Combine(folder, StateFile), ToJson());
    }

    /// <summary>Reads the position of a checkpoint.</summary>
    /// <param name="directory">The checkpoint.</param>
    /// <exception cref="ModelFileException">It has no trainer state, or that is damaged.</exception>
    public static TrainerState Read(string directory)
    {
        var path = Path.Combine(directory, Folder, StateFile);
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(path));
            var root = json.RootElement;
            return new TrainerState
            {
                Step = root.GetProperty("step").GetInt64(),
                OptimiserStep = root.GetProperty("optimiser_step").GetInt64(),
                DataPosition = root.TryGetProperty("data_position", out var position) ? position.GetInt64() : 0,   // older checkpoints: runs that need none
                MetricsLength = root.GetProperty("metrics_bytes").GetInt64(),
                SamplesLength = root.GetProperty("samples_bytes").GetInt64(),
                WorkingDirectory = root.TryGetProperty("working_directory", out var directoryThen) ? directoryThen.GetString() : null,
                DataFingerprint = root.TryGetProperty("data_fingerprint", out var fingerprint) ? fingerprint.GetString() : null,
                Options = root.GetProperty("options").EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetString() ?? ""),
            };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ModelFileException(path, null, "cannot be read: not a checkpoint that can be resumed", e);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new ModelFileException(path, null, "is damaged", e);
        }
    }

    /// <summary>Carries weights and moments of a checkpoint into a training loop.</summary>
    /// <param name="directory">The checkpoint this state was read from.</param>
    /// <param name="loop">Where to.</param>
    /// <exception cref="ModelFileException">The checkpoint is damaged, or of a model of another size.</exception>
    public void Restore(string directory, ITrainingLoop loop)
    {
        ArgumentNullException.ThrowIfNull(loop);
        if (loop.Policy.Adapter is { } adapter)
        {
            adapter.Load(directory);
        }
        else
        {
            loop.Policy.LoadWeights(directory);
        }

        using var file = SafeTensorsFile.Open(Path.Combine(directory, Folder, MomentsFile));
        foreach (var tensor in loop.Policy.TrainedTensors)
        {
            foreach (var (info, kind) in Moments(tensor))
            {
                var values = file.ReadFloats(info.Name);
                if (values.Length != tensor.Count)
                {
                    throw new ModelFileException(file.Path, info.Name, $"{values.Length} elements, expected {tensor.Count}");
                }

                loop.Trainer.SetState(kind, tensor.Name, values);
            }
        }

        loop.Trainer.StepCount = OptimiserStep;
        loop.DataPosition = DataPosition;
    }

    private static IEnumerable<(TensorInfo Info, NativeTrainerState Kind)> Moments(NativeTensor tensor)
    {
        long[] shape = [.. tensor.Shape];
        yield return (new TensorInfo(tensor.Name + ".moment1", TensorType.F32, shape), NativeTrainerState.Moment1);
        yield return (new TensorInfo(tensor.Name + ".moment2", TensorType.F32, shape), NativeTrainerState.Moment2);
    }

    private byte[] ToJson()
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteNumber("step", Step);
            json.WriteNumber("optimiser_step", OptimiserStep);
            json.WriteNumber("data_position", DataPosition);
            json.WriteNumber("metrics_bytes", MetricsLength);
            json.WriteNumber("samples_bytes", SamplesLength);
            json.WriteString("working_directory", WorkingDirectory);
            json.WriteString("data_fingerprint", DataFingerprint);
            json.WriteStartObject("options");
            foreach (var (key, value) in Options)
            {
                json.WriteString(key, value);
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        return stream.ToArray();
    }
}
