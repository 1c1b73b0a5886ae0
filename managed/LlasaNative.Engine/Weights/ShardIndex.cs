namespace LlasaNative.Weights;

/// <summary>The shards that an index names, as far as they are there.</summary>
/// <remarks>
/// As in Transformers, the index says which files there are, and a tensor is where it is found. What is missing or damaged
/// is judged when somebody asks for a tensor that would be in it; until then it is a warning.
/// </remarks>
internal sealed class ShardIndex(string index, List<SafeTensorsFile> files)
{
    private readonly string _directory = Path.GetDirectoryName(index)!;
    private readonly Dictionary<string, SafeTensorsFile> _opened = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ModelFileException> _unreadable = new(StringComparer.Ordinal);

    /// <summary>The file of every tensor that was found.</summary>
    public Dictionary<string, SafeTensorsFile> ByTensor { get; } = new(StringComparer.Ordinal);

    /// <summary>Why a tensor that the index names was not found.</summary>
    public Dictionary<string, ModelFileException> Lost { get; } = new(StringComparer.Ordinal);

    /// <summary>Opens the shards of an index.</summary>
    /// <param name="index">Path of the index.</param>
    /// <param name="files">Receives the opened files, for the caller to close.</param>
    /// <exception cref="ModelFileException">The index is malformed or names files outside its directory.</exception>
    public static ShardIndex Read(string index, List<SafeTensorsFile> files)
    {
        ShardIndex shards = new(index, files);
        shards.Place(shards.ReadMap());
        return shards;
    }

    private Dictionary<string, string> ReadMap()
    {
        JsonFields json = JsonFields.FromFile(index);
        json.ThrowIf(
            !json.TryGet("weight_map", out JsonElement map) || map.ValueKind != JsonValueKind.Object, "weight_map", "missing or not an object");
        Dictionary<string, string> shardOf = new(StringComparer.Ordinal);
        foreach (JsonProperty property in map.EnumerateObject())
        {
            string name = JsonFields.NameOf(property, index);
            string shard = property.Value.ValueKind == JsonValueKind.String ? JsonFields.TextOf(property.Value, index, name) : string.Empty;
            json.ThrowIf(shard.Length == 0 || Path.IsPathRooted(shard) || shard.Split('/', '\\').Contains(".."), "weight_map." + name,
                "expected the name of a file in the same directory");
            shardOf[name] = shard;
        }

        return shardOf;
    }

    private void Place(Dictionary<string, string> shardOf)
    {
        foreach (string shard in shardOf.Values.Distinct(StringComparer.Ordinal))
        {
            Open(shard);
        }

        // A tensor in two shards is taken from the one that the index says, else from the first.
        foreach (SafeTensorsFile file in _opened.Values)
        {
            foreach (TensorInfo tensor in file.Tensors)
            {
                ByTensor.TryAdd(tensor.Name, file);
            }
        }

        string[] astray = [.. shardOf.Where(pair => !Settle(pair.Key, pair.Value)).Select(pair => pair.Key)];
        string[] unknown = [.. astray.Where(name => !ByTensor.ContainsKey(name))];
        if (unknown.Length > 0)
        {
            SearchTheRest(unknown);
        }

        Report(shardOf, astray);
    }

    private void Open(string shard)
    {
        string path = Path.Combine(_directory, shard);
        try
        {
            SafeTensorsFile file = SafeTensorsFile.Open(path);
            files.Add(file);
            _opened.Add(shard, file);
        }
        catch (ModelFileException e)
        {
            _unreadable.Add(shard, e);
            Warn($"{e.Message}; {Path.GetFileName(index)} names it");
        }
    }

    /// <summary>Whether a tensor lies where the index says.</summary>
    private bool Settle(string name, string shard)
    {
        if (!_opened.TryGetValue(shard, out SafeTensorsFile? file) || !file.Contains(name))
        {
            return false;
        }

        ByTensor[name] = file;
        return true;
    }

    /// <summary>Looks for tensors in weight files that the index does not name.</summary>
    private void SearchTheRest(string[] names)
    {
        foreach (string path in Directory.GetFiles(_directory, "*.safetensors").Order(StringComparer.Ordinal))
        {
            string shard = Path.GetFileName(path);
            if (_opened.ContainsKey(shard) || _unreadable.ContainsKey(shard) || shard == AdapterInfo.WeightsFile)
            {
                continue;
            }

            Open(shard);
            foreach (string name in names.Where(n => _opened.TryGetValue(shard, out SafeTensorsFile? file) && file.Contains(n)))
            {
                ByTensor.TryAdd(name, _opened[shard]);
            }
        }
    }

    private void Report(Dictionary<string, string> shardOf, string[] astray)
    {
        string[] moved = [.. astray.Where(ByTensor.ContainsKey)];
        foreach (string name in astray.Except(moved, StringComparer.Ordinal))
        {
            string shard = shardOf[name];
            Lost[name] = _unreadable.TryGetValue(shard, out ModelFileException? cause)
                ? new ModelFileException(index, "weight_map." + name, $"is said to be in {shard}, which cannot be used: {cause.Message}", cause)
                : new ModelFileException(Path.Combine(_directory, shard), name, "no such tensor, in this file or another");
        }

        if (moved.Length > 0)
        {
            string first = moved[0];
            Warn($"{index}: `{first}` is not in {shardOf[first]} but in {Path.GetFileName(ByTensor[first].Path)}{AndMore(moved.Length)}");
        }

        if (Lost.Count > 0)
        {
            string first = Lost.Keys.First();
            Warn($"{index}: `{first}` is in no file{AndMore(Lost.Count)}");
        }
    }

    private static string AndMore(int count) => count > 1 ? $", and {count - 1} more like it" : string.Empty;

    private static void Warn(string text) => LlasaEventSource.Log.Warned(text);
}
