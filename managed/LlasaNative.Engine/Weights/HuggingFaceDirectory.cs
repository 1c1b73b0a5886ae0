namespace LlasaNative.Weights;

/// <summary>
/// A Hugging Face model directory: <c>config.json</c> and the weights, in one <c>model.safetensors</c> or sharded with an index.
/// </summary>
/// <remarks>
/// <para><b>Threads:</b> immutable; any number of threads may read. <b>Lifetime:</b> owns the memory maps; spans and
/// addresses are valid until <see cref="Dispose"/>.</para>
/// </remarks>
/// <example>
/// <code>
/// using HuggingFaceDirectory model = HuggingFaceDirectory.Open("assets/tiny/policy");
/// LlamaConfig config = LlamaConfig.FromDirectory(model);
/// foreach (TensorInfo tensor in model.Tensors)
/// {
///     Upload(tensor, model.GetBytes(tensor.Name));
/// }
/// </code>
/// </example>
public sealed class HuggingFaceDirectory : IDisposable
{
    private const string SingleFile = "model.safetensors";
    private const string IndexFile = "model.safetensors.index.json";
    private readonly Dictionary<string, SafeTensorsFile> _byTensor;
    private readonly IReadOnlyDictionary<string, ModelFileException> _lost;
    private readonly List<SafeTensorsFile> _files;

    private HuggingFaceDirectory(
        string path, List<SafeTensorsFile> files, Dictionary<string, SafeTensorsFile> byTensor, IReadOnlyDictionary<string, ModelFileException> lost)
    {
        (Path, _files, _byTensor, _lost) = (path, files, byTensor, lost);
        Tensors = [.. byTensor.Select(pair => pair.Value.GetInfo(pair.Key)).OrderBy(tensor => tensor.Name, StringComparer.Ordinal)];
    }

    /// <summary>The directory as given.</summary>
    public string Path { get; }

    /// <summary>Path of its <c>config.json</c>.</summary>
    public string ConfigPath => System.IO.Path.Combine(Path, "config.json");

    /// <summary>All tensors of all files, in ordinal order of their names.</summary>
    public IReadOnlyList<TensorInfo> Tensors { get; }

    /// <summary>Opens a directory and checks the headers of its weight files.</summary>
    /// <param name="path">An existing directory with <c>config.json</c> and weights.</param>
    /// <exception cref="ModelFileException">Something is missing or malformed; the message names file and tensor.</exception>
    public static HuggingFaceDirectory Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!Directory.Exists(path))
        {
            throw new ModelFileException(path, null, WrongPlaces.NoDirectory(path));
        }

        if (!File.Exists(System.IO.Path.Combine(path, "config.json")))
        {
            throw new ModelFileException(System.IO.Path.Combine(path, "config.json"), null, WrongPlaces.NoConfig(path));
        }

        List<SafeTensorsFile> files = [];
        try
        {
            string single = System.IO.Path.Combine(path, SingleFile);
            string index = System.IO.Path.Combine(path, IndexFile);
            if (File.Exists(single))
            {
                files.Add(SafeTensorsFile.Open(single));
                return new HuggingFaceDirectory(
                    path, files, files[0].Tensors.ToDictionary(t => t.Name, _ => files[0], StringComparer.Ordinal), new Dictionary<string, ModelFileException>());
            }

            if (!File.Exists(index))
            {
                throw new ModelFileException(path, null, WrongPlaces.NoWeights(path, SingleFile, IndexFile));
            }

            var shards = ShardIndex.Read(index, files);
            return new HuggingFaceDirectory(path, files, shards.ByTensor, shards.Lost);
        }
        catch
        {
            files.ForEach(file => file.Dispose());
            throw;
        }
    }

    /// <inheritdoc cref="SafeTensorsFile.Contains"/>
    public bool Contains(string name) => _byTensor.ContainsKey(name);

    /// <summary>Whether a tensor of that name is stored, or would be if the directory were complete.</summary>
    internal bool Mentions(string name) => Contains(name) || _lost.ContainsKey(name);

    /// <summary>Whether a directory has weights in a format that <see cref="Open"/> reads.</summary>
    internal static bool HasWeights(string path) =>
        File.Exists(System.IO.Path.Combine(path, SingleFile)) || File.Exists(System.IO.Path.Combine(path, IndexFile));

    /// <inheritdoc cref="SafeTensorsFile.GetInfo"/>
    public TensorInfo GetInfo(string name) => FileOf(name).GetInfo(name);

    /// <summary>The file that holds a tensor.</summary>
    /// <param name="name">Parameter name.</param>
    /// <exception cref="ModelFileException">There is no such tensor.</exception>
    public SafeTensorsFile FileOf(string name) =>
        _byTensor.TryGetValue(name, out SafeTensorsFile? file) ? file
        : throw (_lost.GetValueOrDefault(name) ?? new ModelFileException(Path, name, "no such tensor" + Near(name)));

    // A model saved inside of what wrapped it (torch.compile, DDP, a larger model), or without its head, has other beginnings.
    private string Near(string name) => _byTensor.Keys.Where(stored => stored.EndsWith("." + name, StringComparison.Ordinal) || name.EndsWith("." + stored, StringComparison.Ordinal))
        .Order(StringComparer.Ordinal).FirstOrDefault() is { } near ? $", but a `{near}`: save the model itself, not what it is wrapped in or a part of it, so that names begin alike" : string.Empty;

    /// <summary>Checks that a tensor is there, has the given shape and holds floating-point numbers.</summary>
    /// <param name="name">Parameter name.</param>
    /// <param name="shape">Expected extents, outermost first.</param>
    /// <exception cref="ModelFileException">It does not; the message names file and tensor, expected and found.</exception>
    public TensorInfo Require(string name, params ReadOnlySpan<long> shape)
    {
        SafeTensorsFile file = FileOf(name);
        TensorInfo info = file.GetInfo(name);
        ModelFileException.ThrowIf(!info.HasShape(shape), file.Path, name, $"shape {info.ShapeText}, expected {TensorInfo.FormatShape(shape)}");
        return TensorConversion.IsFloat(info.Type)
            ? info
            : throw new ModelFileException(file.Path, name, $"dtype {info.TypeName}, expected F32, F16, BF16 or F64");
    }

    /// <inheritdoc cref="SafeTensorsFile.GetBytes(string)"/>
    public ReadOnlySpan<byte> GetBytes(string name) => FileOf(name).GetBytes(name);

    /// <inheritdoc cref="SafeTensorsFile.GetAddress"/>
    public nint GetAddress(string name) => FileOf(name).GetAddress(name);

    /// <inheritdoc cref="SafeTensorsFile.ReadFloats"/>
    public float[] ReadFloats(string name) => FileOf(name).ReadFloats(name);

    /// <summary>Gives back the memory that reading the weights took; they may be read again, from their files.</summary>
    public void Release() => _files.ForEach(file => file.Release());

    /// <summary>Refuses weights that are not finite numbers.</summary>
    /// <exception cref="ModelFileException">A tensor holds NaN or infinity; the message names it.</exception>
    public void RequireFinite()
    {
        foreach (TensorInfo tensor in Tensors)
        {
            ModelFileException.ThrowIf(!FileOf(tensor.Name).AllFinite(tensor.Name), FileOf(tensor.Name).Path, tensor.Name, "holds NaN or infinity");
        }
    }

    /// <summary>
    /// Copies what belongs to a model besides its weights (config, tokenizer, templates) into another directory, with the
    /// config's dtype set, so that the result plus <c>model.safetensors</c> is a directory Transformers loads.
    /// </summary>
    /// <param name="target">An existing directory.</param>
    /// <param name="type">Type of the weights that will be written there: F32, F16 or BF16.</param>
    /// <param name="tied">Whether the head of those weights is the embedding; null = as the config says.</param>
    /// <exception cref="ModelFileException">A file cannot be read or written.</exception>
    public void CopySideFiles(string target, TensorType type, bool? tied = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(target);
        foreach (string name in Directory.GetFiles(Path).Select(file => System.IO.Path.GetFileName(file)).Order(StringComparer.Ordinal))
        {
            if (System.IO.Path.GetExtension(name) is ".json" or ".jinja" or ".txt" or ".model"
                && name is not (IndexFile or CheckpointStore.ManifestName or AdapterInfo.ConfigFile or "config.json"))
            {
                CopyFile(System.IO.Path.Combine(Path, name), System.IO.Path.Combine(target, name));
            }
        }

        WriteConfig(System.IO.Path.Combine(target, "config.json"), type, tied);
    }

    /// <summary>Closes all files; spans and addresses handed out become invalid.</summary>
    public void Dispose() => _files.ForEach(file => file.Dispose());

    private static void CopyFile(string source, string target) => FileErrors.Writing(target, () =>
    {
        File.Copy(source, target, overwrite: true);
        if (!OperatingSystem.IsWindows())
        {
            // A read-only source must not make a checkpoint that cannot be replaced.
            File.SetUnixFileMode(target, File.GetUnixFileMode(target) | UnixFileMode.UserWrite);
        }
    });

    private void WriteConfig(string target, TensorType type, bool? tied)
    {
        byte[] config = FileErrors.ReadAllBytes(ConfigPath);
        try
        {
            JsonFields fields = JsonFields.Parse(config, ConfigPath);
            // Transformers 5 reads one name, Transformers 4 the other: what is written agrees in both.
            string[] names = Array.FindAll(["torch_dtype", "dtype"], name => fields.All().Any(field => field.Name == name));
            List<(string, object)> changes = [.. (names.Length > 0 ? names : ["dtype"]).Select(name => (name, (object)type.ConfigName()))];
            if (tied is { } value)
            {
                changes.Add(("tie_word_embeddings", value));
            }

            string text = PythonJson.WithFields(config, changes, JsonWriting.Indented) + "\n";
            FileErrors.Writing(target, () => File.WriteAllText(target, text));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new ModelFileException(ConfigPath, null, $"not a valid JSON object: {e.Message}", e);
        }
    }
}
