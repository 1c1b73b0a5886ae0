namespace LlasaNative.Engine;

/// <summary>The states of a run as directories: the policy (of one with an adapter the adapter alone), the optimiser's moments, the position.</summary>
/// <remarks>
/// Beside the policy's files there are two in the folder <c>trainer/</c>: <c>moments.safetensors</c> (names of the parameters with
/// <c>.moment1</c> and <c>.moment2</c>, float32) and <c>state.json</c>. <b>Threads:</b> one at a time.
/// </remarks>
/// <param name="root">Directory of the checkpoints.</param>
/// <param name="keep">Newest that stay; 0 = all.</param>
/// <param name="policy">Whose files they are; the one that the loop trains.</param>
public sealed class RunCheckpoints(string root, int keep, PolicyModel policy) : IRunCheckpoints
{
    private const string Folder = "trainer";
    private const string StateFile = "state.json";
    private const string MomentsFile = "moments.safetensors";

    private readonly CheckpointStore _store = new(root, keep);

    /// <inheritdoc/>
    public (string Place, RunState State)? Find(string? place, Action<string, string> passedOver)
    {
        if (place is not null)
        {
            CheckpointStore.RequireComplete(place);
        }

        return (place ?? _store.FindLatest(passedOver)?.Path) is { } path ? (path, Read(path)) : null;
    }

    /// <inheritdoc/>
    public void BeginAfter(RunState? state)
    {
        var last = state?.Step ?? -1;
        // A run that starts anew, or from an earlier step, replaces what came after; else a later resume would pick that up.
        foreach (var abandoned in _store.List().Where(c => c.Step > last))
        {
            CheckpointStore.Remove(abandoned);
        }

        _store.Tidy(last, state?.Best?.Step);
    }

    /// <inheritdoc/>
    public string Save(RunState state, ITrainingLoop run)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(run);
        return _store.Save(state.Step, directory => Write(directory, state, run.Trainer), state.Best?.Step).Path;
    }

    /// <inheritdoc/>
    public void Restore(string place, ITrainingLoop run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (policy.Adapter is { } adapter)
        {
            adapter.Load(place);
        }
        else
        {
            policy.LoadWeights(place);
        }

        using var file = SafeTensorsFile.Open(Path.Combine(place, Folder, MomentsFile));
        foreach (var tensor in policy.Trained)
        {
            foreach (var (info, kind) in Moments(tensor))
            {
                var values = file.ReadFloats(info.Name);
                ModelFileException.ThrowIf(values.Length != tensor.Count, file.Path, info.Name, $"{values.Length} elements, expected {tensor.Count}");
                run.Trainer.WriteState(kind, tensor.Name, values);
            }
        }
    }

    private void Write(string directory, RunState state, IPolicyTrainer trainer)
    {
        if (policy.Adapter is { } adapter)
        {
            adapter.Save(directory);
        }
        else
        {
            policy.Save(directory, TensorType.F32);
        }

        var folder = Directory.CreateDirectory(Path.Combine(directory, Folder)).FullName;
        var tensors = policy.Trained;
        using (SafeTensorsWriter writer = new(Path.Combine(folder, MomentsFile), tensors.SelectMany(t => Moments(t).Select(m => m.Info))))
        {
            foreach (var tensor in tensors)
            {
                var values = new float[tensor.Count];
                foreach (var (info, kind) in Moments(tensor))
                {
                    trainer.ReadState(kind, tensor.Name, values);
                    writer.Write(info.Name, values);
                }
            }

            writer.Complete();
        }

        File.WriteAllBytes(Path.Combine(folder, StateFile), ToJson(state));
    }

    /// <summary>Takes part in another rank's <see cref="Save"/>: what is shared out is brought together for it.</summary>
    /// <param name="trainer">This rank's.</param>
    public void TakePartInSaving(IPolicyTrainer trainer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        policy.TakePartInSaving();
        foreach (var tensor in policy.Trained)
        {
            var values = new float[tensor.Count];
            foreach (var (_, kind) in Moments(tensor))
            {
                trainer.ReadState(kind, tensor.Name, values);
            }
        }
    }

    /// <summary>Reads the position of a checkpoint.</summary>
    /// <param name="directory">The checkpoint.</param>
    /// <exception cref="ModelFileException">It has no trainer state, or that is damaged.</exception>
    public static RunState Read(string directory)
    {
        var path = Path.Combine(directory, Folder, StateFile);
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(path));
            var root = json.RootElement;
            return new RunState(
                Step: root.GetProperty("step").GetInt64(),
                OptimiserStep: root.GetProperty("optimiser_step").GetInt64(),
                DataPosition: root.TryGetProperty("data_position", out var position) ? position.GetInt64() : 0,   // older checkpoints: runs that need none
                Best: root.TryGetProperty("best_step", out var best) && (best.GetInt64() == root.GetProperty("step").GetInt64() || CheckpointStore.Exists(directory, best.GetInt64()))
                    ? (best.GetInt64(), root.GetProperty("best_value").GetDouble()) : null,
                Log: new RunLogLength(root.GetProperty("metrics_bytes").GetInt64(), root.GetProperty("samples_bytes").GetInt64()),
                WorkingDirectory: root.TryGetProperty("working_directory", out var directoryThen) ? directoryThen.GetString() : null,
                DataFingerprint: root.TryGetProperty("data_fingerprint", out var fingerprint) ? fingerprint.GetString() : null,
                Options: root.GetProperty("options").EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetString() ?? ""));
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

    private static IEnumerable<(TensorInfo Info, OptimiserState Kind)> Moments(PolicyTensor tensor)
    {
        long[] shape = [.. tensor.Shape];
        yield return (new TensorInfo(tensor.Name + ".moment1", TensorType.F32, shape), OptimiserState.Moment1);
        yield return (new TensorInfo(tensor.Name + ".moment2", TensorType.F32, shape), OptimiserState.Moment2);
    }

    private static byte[] ToJson(RunState state) => JsonWriting.ToFile(new
    {
        state.Step,
        state.OptimiserStep,
        state.DataPosition,
        BestStep = state.Best?.Step,
        BestValue = state.Best?.Value,
        state.Log.MetricsBytes,
        state.Log.SamplesBytes,
        state.WorkingDirectory,
        state.DataFingerprint,
        state.Options,
    });
}
