using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace LlasaNative.Hub;

/// <summary>Puts files into a repository on the Hub, all in one commit: it has all of them or none.</summary>
/// <remarks>
/// The Hub is asked which files it wants as LFS objects; those are uploaded by git-LFS's batch protocol (in one piece, or in
/// parts when the server says so), unless it has them, and verified; then the commit names them and carries the small ones.
/// <b>Threads:</b> any. Dispose it.
/// </remarks>
public sealed class HubUploader : IDisposable
{
    private const int SampleBytes = 512;
    private const string LfsJson = "application/vnd.git-lfs+json";
    private readonly HubOptions _options;
    private readonly HttpRequests _http;

    /// <summary>Prepares; nothing is contacted.</summary>
    /// <param name="options">Which Hub, and who asks.</param>
    public HubUploader(HubOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _http = new HttpRequests(options.Policy, options.Endpoint);
    }

    /// <summary>Makes a repository unless it exists.</summary>
    /// <param name="location">Which.</param>
    /// <param name="isPrivate">Whether others may not see it, when it is new.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="RemoteException">The Hub refuses or cannot be reached.</exception>
    public async Task EnsureRepositoryAsync(HubLocation location, bool isPrivate, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(location);
        RequireAccess(location);
        string[] parts = location.Repository.Split('/');
        JsonObject body = new() { ["organization"] = parts[0], ["name"] = parts[1], ["type"] = location.IsDataset ? "dataset" : "model", ["private"] = isPrivate };
        try
        {
            using HttpResponseMessage response = await _http.SendAsync(
                location.ToString(), () => Json(HttpMethod.Post, $"{_options.Endpoint}/api/repos/create", body), cancellation).ConfigureAwait(false);
        }
        catch (RemoteException e) when (e.Status == HttpStatusCode.Conflict)
        {
            // It exists.
        }
    }

    /// <summary>Commits files.</summary>
    /// <param name="location">Repository and branch; its path is not used.</param>
    /// <param name="files">The files, at least one; each path once.</param>
    /// <param name="summary">First line of the commit's message.</param>
    /// <param name="cancellation">Ends it; without the commit nothing has changed.</param>
    /// <returns>The new commit.</returns>
    /// <exception cref="RemoteException">The Hub refuses or cannot be reached, or a file cannot be read.</exception>
    public async Task<string> CommitAsync(
        HubLocation location, IReadOnlyList<HubUpload> files, string summary, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(location);
        ArgumentNullException.ThrowIfNull(files);
        RequireAccess(location);
        if (files.Count == 0 || files.Any(f => !HubLocation.IsSafe(f.Path)) || files.DistinctBy(f => f.Path).Count() != files.Count)
        {
            throw new ArgumentException("Expected at least one file, each with a path of its own inside the repository.", nameof(files));
        }

        Entry[] entries = [.. await Task.WhenAll(files.Select(f => ReadAsync(location, f, cancellation))).ConfigureAwait(false)];
        HashSet<string> large = await ChooseLargeAsync(location, entries, cancellation).ConfigureAwait(false);
        Entry[] objects = [.. entries.Where(e => large.Contains(e.File.Path))];
        if (objects.Length > 0)
        {
            await UploadObjectsAsync(location, objects, cancellation).ConfigureAwait(false);
        }

        return await CommitAsync(location, entries, large, summary, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private sealed record Entry(HubUpload File, long Size, string Sha256, byte[] Sample);

    private void RequireAccess(HubLocation location)
    {
        RemoteException.ThrowIf(_options.Offline, location.ToString(), "cannot be written while HF_HUB_OFFLINE is set");
        RemoteException.ThrowIf(
            _options.Token is null, location.ToString(), "writing needs a token: set HF_TOKEN, or log in with the Hub's own client");
    }

    private static async Task<Entry> ReadAsync(HubLocation location, HubUpload upload, CancellationToken cancellation)
    {
        try
        {
            using FileStream file = File.OpenRead(upload.LocalPath);
            byte[] sample = new byte[Math.Min(SampleBytes, file.Length)];
            await file.ReadExactlyAsync(sample, cancellation).ConfigureAwait(false);
            file.Position = 0;
            byte[] hash = await SHA256.HashDataAsync(file, cancellation).ConfigureAwait(false);
            return new Entry(upload, file.Length, Convert.ToHexStringLower(hash), sample);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RemoteException(location.ToString(), $"{upload.LocalPath} cannot be read: {e.Message}", null, e);
        }
    }

    /// <summary>Asks the Hub which files are to be LFS objects: it decides by size, content and the repository's attributes.</summary>
    private async Task<HashSet<string>> ChooseLargeAsync(HubLocation location, Entry[] entries, CancellationToken cancellation)
    {
        JsonObject body = new()
        {
            ["files"] = new JsonArray([.. entries.Select(e => (JsonNode)new JsonObject
            {
                ["path"] = e.File.Path, ["sample"] = Convert.ToBase64String(e.Sample), ["size"] = e.Size,
            })]),
        };
        JsonElement answer = await _http.JsonAsync(
            location.ToString(), () => Json(HttpMethod.Post, Api(location, "preupload"), body), cancellation).ConfigureAwait(false);
        try
        {
            return [.. answer.GetProperty("files").EnumerateArray()
                .Where(f => f.GetProperty("uploadMode").GetString() == "lfs").Select(f => f.GetProperty("path").GetString()!)];
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException)
        {
            throw new RemoteException(location.ToString(), "the Hub does not say how it wants the files", null, e);
        }
    }

    private async Task UploadObjectsAsync(HubLocation location, Entry[] objects, CancellationToken cancellation)
    {
        JsonObject body = new()
        {
            ["operation"] = "upload",
            ["transfers"] = new JsonArray("basic", "multipart"),
            ["hash_algo"] = "sha256",
            ["ref"] = new JsonObject { ["name"] = location.Revision },
            ["objects"] = new JsonArray([.. objects.DistinctBy(o => o.Sha256).Select(o => (JsonNode)new JsonObject { ["oid"] = o.Sha256, ["size"] = o.Size })]),
        };
        string kind = location.IsDataset ? "datasets/" : "";
        string address = $"{_options.Endpoint}/{kind}{location.Repository}.git/info/lfs/objects/batch";
        JsonElement answer = await _http.JsonAsync(location.ToString(), () => Json(HttpMethod.Post, address, body, LfsJson), cancellation).ConfigureAwait(false);
        Dictionary<string, Entry> bySha = objects.DistinctBy(o => o.Sha256).ToDictionary(o => o.Sha256);
        try
        {
            foreach (JsonElement item in answer.GetProperty("objects").EnumerateArray())
            {
                Entry entry = bySha[item.GetProperty("oid").GetString()!];
                bySha.Remove(entry.Sha256);
                RemoteException.ThrowIf(
                    item.TryGetProperty("error", out JsonElement error), location.ToString(), $"{entry.File.Path}: the Hub refuses it: {error}");
                // Without an upload action the Hub has the object already.
                if (item.TryGetProperty("actions", out JsonElement actions) && actions.TryGetProperty("upload", out JsonElement upload))
                {
                    await UploadObjectAsync(location, entry, upload, actions, cancellation).ConfigureAwait(false);
                }
            }
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new RemoteException(location.ToString(), "the Hub's answer to the LFS batch makes no sense", null, e);
        }

        RemoteException.ThrowIf(bySha.Count > 0, location.ToString(), $"the Hub's answer to the LFS batch lacks {bySha.Values.First().File.Path}");
    }

    private async Task UploadObjectAsync(HubLocation location, Entry entry, JsonElement upload, JsonElement actions, CancellationToken cancellation)
    {
        string place = (location with { Path = entry.File.Path }).ToString();
        _options.OnNote?.Invoke($"uploading {place} ({entry.Size / 1e6:F1} MB)");
        string href = upload.GetProperty("href").GetString()!;
        JsonElement header = upload.TryGetProperty("header", out JsonElement given) ? given : default;
        if (header.ValueKind == JsonValueKind.Object && header.TryGetProperty("chunk_size", out JsonElement chunk))
        {
            await UploadPartsAsync(place, entry, href, header, long.Parse(chunk.ToString(), CultureInfo.InvariantCulture), cancellation).ConfigureAwait(false);
        }
        else
        {
            using HttpResponseMessage response = await PutAsync(place, href, entry, 0, entry.Size, header, cancellation).ConfigureAwait(false);
        }

        if (actions.TryGetProperty("verify", out JsonElement verify))
        {
            JsonObject body = new() { ["oid"] = entry.Sha256, ["size"] = entry.Size };
            string address = verify.GetProperty("href").GetString()!;
            using HttpResponseMessage response = await _http.SendAsync(place, () => Json(HttpMethod.Post, address, body, LfsJson), cancellation).ConfigureAwait(false);
        }
    }

    private async Task UploadPartsAsync(string place, Entry entry, string href, JsonElement header, long chunk, CancellationToken cancellation)
    {
        RemoteException.ThrowIf(chunk < 1, place, $"the Hub asks for parts of {chunk} bytes");
        JsonArray parts = [];
        for (long from = 0, number = 1; from < entry.Size; from += chunk, number++)
        {
            // The addresses of the parts are the header's members with numbers for names.
            string name = number.ToString(CultureInfo.InvariantCulture);
            JsonElement part = header.EnumerateObject().FirstOrDefault(p => long.TryParse(p.Name, out long n) && n == number).Value;
            string address = part.ValueKind == JsonValueKind.String ? part.GetString()! : throw new RemoteException(place, $"the Hub names no address for part {name}");
            using HttpResponseMessage response = await PutAsync(
                place, address, entry, from, Math.Min(chunk, entry.Size - from), default, cancellation).ConfigureAwait(false);
            string tag = response.Headers.ETag?.Tag ?? throw new RemoteException(place, $"no ETag came back for part {name}");
            parts.Add((JsonNode)new JsonObject { ["partNumber"] = number, ["etag"] = tag });
        }

        JsonObject body = new() { ["oid"] = entry.Sha256, ["parts"] = parts };
        using HttpResponseMessage done = await _http.SendAsync(place, () => Json(HttpMethod.Post, href, body, LfsJson), cancellation).ConfigureAwait(false);
    }

    private Task<HttpResponseMessage> PutAsync(
        string place, string address, Entry entry, long from, long count, JsonElement header, CancellationToken cancellation) =>
        _http.SendAsync(place, () =>
        {
            HttpRequestMessage request = new(HttpMethod.Put, address) { Content = StreamedContent.OfFile(entry.File.LocalPath, from, count) };
            foreach (JsonProperty property in header.ValueKind == JsonValueKind.Object ? header.EnumerateObject() : default)
            {
                if (!request.Headers.TryAddWithoutValidation(property.Name, property.Value.ToString()))
                {
                    request.Content.Headers.TryAddWithoutValidation(property.Name, property.Value.ToString());
                }
            }

            return request;
        }, cancellation);

    private async Task<string> CommitAsync(
        HubLocation location, Entry[] entries, HashSet<string> large, string summary, CancellationToken cancellation)
    {
        JsonElement answer = await _http.JsonAsync(location.ToString(), () => new HttpRequestMessage(HttpMethod.Post, Api(location, "commit"))
        {
            Content = new StreamedContent("application/x-ndjson", null, async stream =>
            {
                foreach (JsonObject line in Lines())
                {
                    await stream.WriteAsync(Encoding.UTF8.GetBytes(line.ToJsonString() + "\n"), CancellationToken.None).ConfigureAwait(false);
                }
            }),
        }, cancellation).ConfigureAwait(false);
        return answer.TryGetProperty("commitOid", out JsonElement oid) && oid.GetString() is { Length: > 0 } commit
            ? commit
            : throw new RemoteException(location.ToString(), "the Hub does not name the new commit");

        IEnumerable<JsonObject> Lines()
        {
            yield return Line("header", new JsonObject { ["summary"] = summary, ["description"] = "" });
            foreach (Entry entry in entries)
            {
                yield return large.Contains(entry.File.Path)
                    ? Line("lfsFile", new JsonObject { ["path"] = entry.File.Path, ["algo"] = "sha256", ["oid"] = entry.Sha256, ["size"] = entry.Size })
                    : Line("file", new JsonObject
                    {
                        ["path"] = entry.File.Path, ["encoding"] = "base64", ["content"] = Convert.ToBase64String(File.ReadAllBytes(entry.File.LocalPath)),
                    });
            }
        }

        static JsonObject Line(string key, JsonObject value) => new() { ["key"] = key, ["value"] = value };
    }

    private string Api(HubLocation location, string what) =>
        $"{_options.Endpoint}/api/{location.Kind}/{location.Repository}/{what}/{Uri.EscapeDataString(location.Revision)}";

    private static HttpRequestMessage Json(HttpMethod method, string address, JsonObject body, string type = "application/json")
    {
        ByteArrayContent content = new(Encoding.UTF8.GetBytes(body.ToJsonString()));
        content.Headers.ContentType = new MediaTypeHeaderValue(type);
        HttpRequestMessage request = new(method, address) { Content = content };
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(type));
        return request;
    }
}
