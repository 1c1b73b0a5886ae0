using System.Net.Http.Headers;
using LlasaNative.Data;

namespace LlasaNative.Hub;

/// <summary>Fetches models and data sets from the Hub into its usual cache.</summary>
/// <remarks>
/// <para>A download that was cut goes on where it stopped; the content is checked against the Hub's SHA-256 (large files) or
/// git hash (small ones) before it gets its name. What the cache has is not fetched again; a branch is looked up each time,
/// and when the Hub cannot be reached the commit it was last time is used, with a note.</para>
/// <para><b>Threads:</b> any. Dispose it.</para>
/// </remarks>
/// <example>
/// <code>
/// using HubDownloader hub = new(HubOptions.FromEnvironment());
/// string directory = await hub.FetchModelAsync(HubLocation.Parse("hf://OWNER/NAME"), cancellation);
/// using PolicyModel policy = PolicyModel.Load(directory);
/// </code>
/// </example>
public sealed class HubDownloader : IDisposable
{
    private const string SingleWeights = "model.safetensors";
    private const string WeightsIndex = "model.safetensors.index.json";
    private static readonly string[] _modelFiles = [".json", ".jinja", ".txt", ".model"];
    private readonly HubOptions _options;
    private readonly HttpRequests _http;

    /// <summary>Prepares; nothing is contacted.</summary>
    /// <param name="options">Which Hub, and where the cache is.</param>
    public HubDownloader(HubOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _http = new HttpRequests(options.Policy, options.Endpoint);
    }

    /// <summary>Fetches what a model directory needs: config, tokenizer, and its safetensors.</summary>
    /// <param name="location">A model; its path names a directory inside.</param>
    /// <param name="cancellation">Ends it; what was fetched stays for the next time.</param>
    /// <returns>Path of the directory in the cache.</returns>
    /// <exception cref="RemoteException">The Hub refuses, is not to be reached, or has no such model.</exception>
    public async Task<string> FetchModelAsync(HubLocation location, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(location);
        Snapshot snapshot = await ResolveAsync(location, cancellation).ConfigureAwait(false);
        string directory = Below(snapshot, location);
        if (snapshot.Files is null)
        {
            return directory;
        }

        string[] names = [.. Inside(snapshot.Files, location.Path).Where(name => !name.Contains('/', StringComparison.Ordinal))];
        IEnumerable<string> wanted = names.Where(name => _modelFiles.Contains(Path.GetExtension(name)) && name != WeightsIndex);
        foreach (string name in wanted)
        {
            await FetchAsync(location, snapshot, name, cancellation).ConfigureAwait(false);
        }

        if (names.Contains(SingleWeights))
        {
            await FetchAsync(location, snapshot, SingleWeights, cancellation).ConfigureAwait(false);
        }
        else if (names.Contains(WeightsIndex))
        {
            string index = await FetchAsync(location, snapshot, WeightsIndex, cancellation).ConfigureAwait(false);
            foreach (string shard in Shards(location, index).Where(names.Contains))
            {
                await FetchAsync(location, snapshot, shard, cancellation).ConfigureAwait(false);
            }
        }

        return directory;
    }

    /// <summary>Fetches files of a repository.</summary>
    /// <param name="location">Its path names one file, or a directory of which the wanted files are fetched.</param>
    /// <param name="choose">Which files of a directory, given their paths below it and the path here of its <c>README.md</c>, null where it has none.</param>
    /// <param name="cancellation">Ends it; what was fetched stays for the next time.</param>
    /// <returns>Path of the file or directory in the cache.</returns>
    /// <exception cref="RemoteException">The Hub refuses, is not to be reached, or has no such file.</exception>
    public async Task<string> FetchFilesAsync(HubLocation location, Func<IEnumerable<string>, string?, IReadOnlyList<string>> choose, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(location);
        ArgumentNullException.ThrowIfNull(choose);
        Snapshot snapshot = await ResolveAsync(location, cancellation).ConfigureAwait(false);
        if (snapshot.Files is null)
        {
            return Below(snapshot, location);
        }

        if (snapshot.Files.Contains(location.Path))
        {
            return await FetchAsync(location with { Path = "" }, snapshot, location.Path, cancellation).ConfigureAwait(false);
        }

        string[] below = [.. Inside(snapshot.Files, location.Path)];
        RemoteException.ThrowIf(
            below.Length == 0, location.ToString(), location.Path.Length > 0 ? "there is no such file, nor files below it" : "holds no file");
        string? card = below.Contains(DatasetCard.FileName) ? await FetchAsync(location, snapshot, DatasetCard.FileName, cancellation).ConfigureAwait(false) : null;
        foreach (string name in choose(below, card))
        {
            await FetchAsync(location, snapshot, name, cancellation).ConfigureAwait(false);
        }

        return Below(snapshot, location);
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    // Files is null when only the cache may be asked.
    private sealed record Snapshot(HubCache Cache, string Commit, HashSet<string>? Files);

    private static IEnumerable<string> Inside(IEnumerable<string> files, string directory) => directory.Length == 0
        ? files.Order(StringComparer.Ordinal)
        : files.Where(f => f.StartsWith(directory + "/", StringComparison.Ordinal)).Select(f => f[(directory.Length + 1)..]).Order(StringComparer.Ordinal);

    private static string Below(Snapshot snapshot, HubLocation location)
    {
        string path = location.Path.Length == 0 ? snapshot.Cache.Snapshot(snapshot.Commit) : snapshot.Cache.Pointer(snapshot.Commit, location.Path);
        return snapshot.Files is not null || File.Exists(path) || Directory.Exists(path)
            ? path
            : throw new RemoteException(location.ToString(), $"is not in the cache ({path})");
    }

    private static IEnumerable<string> Shards(HubLocation location, string index)
    {
        try
        {
            using JsonDocument json = PythonJson.Parse(File.ReadAllBytes(index));
            return [.. json.RootElement.GetProperty("weight_map").EnumerateObject().Where(p => p.Value.ValueKind == JsonValueKind.String).Select(p => p.Value.GetString()!).Distinct()];
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new RemoteException(location.ToString(), $"{WeightsIndex} is no index of weights", null, e);
        }
    }

    private async Task<Snapshot> ResolveAsync(HubLocation location, CancellationToken cancellation)
    {
        HubCache cache = new(_options.CacheDirectory, location);
        string? known = cache.CommitOf(location.Revision);
        if (_options.Offline)
        {
            return new Snapshot(cache, known ?? throw new RemoteException(location.ToString(), $"is not in {_options.CacheDirectory}, and HF_HUB_OFFLINE is set"), null);
        }

        JsonElement info;
        try
        {
            string address = $"{_options.Endpoint}/api/{location.Kind}/{location.Repository}/revision/{Uri.EscapeDataString(location.Revision)}";
            info = await _http.JsonAsync(location.ToString(), () => new HttpRequestMessage(HttpMethod.Get, address), cancellation).ConfigureAwait(false);
        }
        catch (RemoteException e) when (e.Status is null && known is not null)
        {
            _options.OnNote?.Invoke($"{e.Message}; using what the cache has of {known}");
            return new Snapshot(cache, known, null);
        }

        try
        {
            string commit = info.GetProperty("sha").GetString() ?? "";
            HashSet<string> files = [.. info.GetProperty("siblings").EnumerateArray().Select(f => f.GetProperty("rfilename").GetString() ?? "")];
            if (commit.Length is < 7 or > 64 || !commit.All(char.IsAsciiHexDigit) || !files.All(HubLocation.IsSafe))
            {
                throw new RemoteException(location.ToString(), "the Hub names a commit or file that cannot be one");
            }

            cache.SetCommit(location.Revision, commit);
            return new Snapshot(cache, commit, files);
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException)
        {
            throw new RemoteException(location.ToString(), "the Hub's answer has no `sha` and `siblings`", null, e);
        }
    }

    /// <summary>Fetches one file unless the cache has it.</summary>
    /// <returns>Its path in the snapshot.</returns>
    private async Task<string> FetchAsync(HubLocation location, Snapshot snapshot, string name, CancellationToken cancellation)
    {
        string path = location.Path.Length > 0 ? $"{location.Path}/{name}" : name;
        (HubCache cache, string commit) = (snapshot.Cache, snapshot.Commit);
        if (File.Exists(cache.Pointer(commit, path)))
        {
            return cache.Pointer(commit, path);
        }

        string place = (location with { Path = path }).ToString();
        string kind = location.IsDataset ? "datasets/" : "";
        string address = $"{_options.Endpoint}/{kind}{location.Repository}/resolve/{commit}/{string.Join('/', path.Split('/').Select(Uri.EscapeDataString))}";
        HubFile file;
        using (HttpResponseMessage head = await _http.SendAsync(place, () => Plain(HttpMethod.Head, address), cancellation, Redirects.Moved).ConfigureAwait(false))
        {
            file = HubFile.Of(place, head);
        }

        using (await cache.LockAsync(file.ETag, cancellation).ConfigureAwait(false))
        {
            if (!File.Exists(cache.Blob(file.ETag)))
            {
                _options.OnNote?.Invoke($"fetching {place} ({file.Size / 1e6:F1} MB)");
                await FetchBlobAsync(place, address, file, cache.Blob(file.ETag), cancellation).ConfigureAwait(false);
            }

            cache.Link(commit, path, file.ETag);
        }

        return cache.Pointer(commit, path);
    }

    private async Task FetchBlobAsync(string place, string address, HubFile file, string blob, CancellationToken cancellation)
    {
        string incomplete = blob + ".incomplete";
        bool isResumed = File.Exists(incomplete) && new FileInfo(incomplete).Length > 0;
        while (true)
        {
            await _http.CompleteAsync(
                place, incomplete, file.Size, from => AppendAsync(place, address, incomplete, from, cancellation), cancellation).ConfigureAwait(false);
            if (await file.MatchesAsync(incomplete, cancellation).ConfigureAwait(false))
            {
                File.Move(incomplete, blob);
                return;
            }

            File.Delete(incomplete);
            RemoteException.ThrowIf(!isResumed, place, $"what was received does not have the checksum {file.ETag}");
            // The older part may be at fault: once more from the start.
            isResumed = false;
        }
    }

    private async Task AppendAsync(string place, string address, string path, long from, CancellationToken cancellation)
    {
        using HttpResponseMessage response = await _http.SendAsync(place, () =>
        {
            HttpRequestMessage request = Plain(HttpMethod.Get, address);
            request.Headers.Range = from > 0 ? new RangeHeaderValue(from, null) : null;
            return request;
        }, cancellation).ConfigureAwait(false);
        bool goesOn = response.StatusCode == HttpStatusCode.PartialContent && response.Content.Headers.ContentRange?.From == from;
        await _http.SaveAsync(place, response, path, goesOn ? FileMode.Append : FileMode.Create, cancellation).ConfigureAwait(false);
    }

    // Compressed bytes would have neither the length nor the hash of the file.
    private static HttpRequestMessage Plain(HttpMethod method, string address)
    {
        HttpRequestMessage request = new(method, address);
        request.Headers.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity"));
        return request;
    }
}
