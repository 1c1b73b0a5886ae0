using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace LlasaNative.Tests.Support.Servers;

/// <summary>
/// The part of the Hub's HTTP interface that is used here: revisions, resolve with redirects to a second server for large
/// files, ranges, preupload, git-LFS batch with basic and multi-part uploads, verify, commits. It checks what it is sent.
/// </summary>
internal sealed class HubServer : IDisposable
{
    public const string Token = "hf_test";
    private readonly Dictionary<string, Repository> _repositories = [];
    private readonly Dictionary<string, byte[]> _objects = [];
    private readonly Dictionary<string, SortedDictionary<int, byte[]>> _parts = [];
    private readonly LoopbackServer _hub;
    private readonly LoopbackServer _store;

    public HubServer()
    {
        _hub = new LoopbackServer(HandleAsync);
        _store = new LoopbackServer(StoreAsync);
    }

    public string Address => _hub.Address;

    public IEnumerable<string> Seen => _hub.Seen;

    public IEnumerable<string> SeenByStore => _store.Seen;

    /// <summary>Whether reading needs the token too.</summary>
    public bool IsPrivate { get; set; }

    /// <summary>Files of at least this size, and all .safetensors and .parquet files, are LFS objects.</summary>
    public int LargeFrom { get; set; } = 1000;

    /// <summary>Bytes of a part of an upload; 0: uploads in one piece.</summary>
    public int PartSize { get; set; }

    /// <summary>The store breaks the connection after so many bytes of each answer; 0: never.</summary>
    public int CutAfter { get; set; }

    /// <summary>The store changes one byte of each answer.</summary>
    public bool Damage { get; set; }

    /// <summary>So many requests are answered with 503 first.</summary>
    public int Unavailable { get; set; }

    /// <summary>The store ignores ranges.</summary>
    public bool IgnoreRanges { get; set; }

    public Dictionary<string, byte[]> Files(string repository) => _repositories[repository].Files;

    public string Commit(string repository) => _repositories[repository].Commit;

    /// <summary>Makes a repository; a name that begins with datasets/ is a data set.</summary>
    public void Add(string repository, params (string Path, byte[] Content)[] files)
    {
        Repository made = new();
        foreach ((string path, byte[] content) in files)
        {
            made.Files[path] = content;
            _objects[Sha256(content)] = content;
        }

        made.Touch();
        _repositories[repository] = made;
    }

    public void Dispose()
    {
        _hub.Dispose();
        _store.Dispose();
    }

    private static string Sha256(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));

    private bool IsLarge(string path, long size) => size >= LargeFrom || Path.GetExtension(path) is ".safetensors" or ".parquet";

    private async Task HandleAsync(HttpContext context)
    {
        if (Unavailable > 0)
        {
            Unavailable--;
            context.Response.StatusCode = 503;
            return;
        }

        bool isKnown = context.Request.Headers.Authorization == $"Bearer {Token}";
        string[] parts = [.. context.Request.Path.Value!.Trim('/').Split('/').Select(Uri.UnescapeDataString)];
        bool reads = HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method);
        if (!isKnown && (IsPrivate || !reads))
        {
            await RefuseAsync(context, 401, "Invalid username or password.");
            return;
        }

        if (parts is ["api", "repos", "create"])
        {
            await CreateAsync(context);
            return;
        }

        (string name, string[] rest) = Name(parts);
        if (!_repositories.TryGetValue(name, out Repository? repository))
        {
            await RefuseAsync(context, 404, "Repository not found");
            return;
        }

        await (rest switch
        {
            ["revision", var revision] when revision == "main" || revision == repository.Commit => RevisionAsync(context, repository),
            ["resolve", var revision, .. var path] when revision == "main" || revision == repository.Commit => ResolveAsync(context, repository, string.Join('/', path)),
            ["preupload", "main"] => PreuploadAsync(context),
            ["info", "lfs", "objects", "batch"] => BatchAsync(context),
            ["commit", "main"] => CommitAsync(context, repository),
            _ => RefuseAsync(context, 404, "Entry not found"),
        });
    }

    /// <summary>Repository and the rest of an address, in the different orders that the Hub has them.</summary>
    private static (string Name, string[] Parts) Name(string[] parts)
    {
        bool isApi = parts[0] == "api";
        bool isDataset = parts[isApi ? 1 : 0] == "datasets";
        int at = (isApi ? 2 : 0) + (!isApi && isDataset ? 1 : 0);
        if (parts.Length < at + 2)
        {
            return ("", []);
        }

        string name = parts[at + 1].EndsWith(".git", StringComparison.Ordinal) ? parts[at + 1][..^4] : parts[at + 1];
        return ($"{(isDataset ? "datasets/" : "")}{parts[at]}/{name}", parts[(at + 2)..]);
    }

    private static Task RevisionAsync(HttpContext context, Repository repository) => context.Response.WriteAsync(new JsonObject
    {
        ["sha"] = repository.Commit,
        ["siblings"] = new JsonArray([.. repository.Files.Keys.Select(f => (JsonNode)new JsonObject { ["rfilename"] = f })]),
    }.ToJsonString());

    private async Task ResolveAsync(HttpContext context, Repository repository, string path)
    {
        if (!repository.Files.TryGetValue(path, out byte[]? content))
        {
            await RefuseAsync(context, 404, "Entry not found");
            return;
        }

        context.Response.Headers["X-Repo-Commit"] = repository.Commit;
        if (IsLarge(path, content.Length))
        {
            context.Response.Headers["X-Linked-Etag"] = $"\"{Sha256(content)}\"";
            context.Response.Headers["X-Linked-Size"] = content.Length.ToString(CultureInfo.InvariantCulture);
            context.Response.Redirect($"{_store.Address}/object/{Sha256(content)}");
            return;
        }

        byte[] header = Encoding.ASCII.GetBytes($"blob {content.Length}\0");
#pragma warning disable CA5350 // git's choice
        context.Response.Headers.ETag = $"\"{Convert.ToHexStringLower(SHA1.HashData([.. header, .. content]))}\"";
#pragma warning restore CA5350
        await SendAsync(context, content, false);
    }

    private async Task SendAsync(HttpContext context, byte[] content, bool isFaulty)
    {
        string range = context.Request.Headers.Range.ToString();
        int from = range.Length > 0 && !IgnoreRanges ? int.Parse(range["bytes=".Length..^1], CultureInfo.InvariantCulture) : 0;
        if (range.Length > 0 && !IgnoreRanges)
        {
            context.Response.StatusCode = 206;
            context.Response.Headers.ContentRange = $"bytes {from}-{content.Length - 1}/{content.Length}";
        }

        byte[] body = content[from..];
        context.Response.ContentLength = body.Length;
        if (HttpMethods.IsHead(context.Request.Method))
        {
            return;
        }

        if (isFaulty && Damage)
        {
            body[^1] ^= 1;
        }

        bool isCut = isFaulty && CutAfter > 0 && CutAfter < body.Length;
        await context.Response.Body.WriteAsync(isCut ? body.AsMemory(0, CutAfter) : body);
        await context.Response.Body.FlushAsync();
        if (isCut)
        {
            // The client must get what was sent before the connection goes.
            await Task.Delay(50);
            context.Abort();
        }
    }

    private async Task StoreAsync(HttpContext context)
    {
        if (context.Request.Headers.Authorization.Count > 0)
        {
            await RefuseAsync(context, 400, "the token must not be sent here");
            return;
        }

        string[] parts = context.Request.Path.Value!.Trim('/').Split('/');
        using MemoryStream body = new();
        await context.Request.Body.CopyToAsync(body);
        switch (context.Request.Method, parts)
        {
            case ("GET", ["object", var sha]):
                await SendAsync(context, _objects[sha], true);
                break;
            case ("PUT", ["object", var sha]) when Sha256(body.ToArray()) == sha:
                _objects[sha] = body.ToArray();
                break;
            case ("PUT", ["part", var sha, var number]):
                _parts.TryAdd(sha, []);
                _parts[sha][int.Parse(number, CultureInfo.InvariantCulture)] = body.ToArray();
                context.Response.Headers.ETag = $"\"{Sha256(body.ToArray())[..32]}\"";
                break;
            case ("POST", ["complete", var sha]):
                JsonNode[] named = [.. JsonNode.Parse(body.ToArray())!["parts"]!.AsArray()!];
                bool isRight = named.Select(p => (p["partNumber"]!.GetValue<int>(), p["etag"]!.GetValue<string>()))
                    .SequenceEqual(_parts[sha].Select(p => (p.Key, $"\"{Sha256(p.Value)[..32]}\"")));
                byte[] whole = [.. _parts[sha].SelectMany(p => p.Value)];
                if (isRight && Sha256(whole) == sha)
                {
                    _objects[sha] = whole;
                    break;
                }

                goto default;
            case ("POST", ["verify", var sha]) when _objects.TryGetValue(sha, out byte[]? stored)
                && JsonNode.Parse(body.ToArray())!["size"]!.GetValue<int>() == stored.Length:
                break;
            default:
                await RefuseAsync(context, 400, "not what was agreed");
                break;
        }
    }

    private async Task CreateAsync(HttpContext context)
    {
        JsonNode body = (await JsonNode.ParseAsync(context.Request.Body))!;
        string name = $"{(body["type"]!.GetValue<string>() == "dataset" ? "datasets/" : "")}{body["organization"]}/{body["name"]}";
        if (_repositories.ContainsKey(name))
        {
            await RefuseAsync(context, 409, "You already created this repo");
            return;
        }

        Add(name);
        await context.Response.WriteAsync("{}");
    }

    private async Task PreuploadAsync(HttpContext context)
    {
        JsonNode body = (await JsonNode.ParseAsync(context.Request.Body))!;
        await context.Response.WriteAsync(new JsonObject
        {
            ["files"] = new JsonArray([.. body["files"]!.AsArray().Select(f => (JsonNode)new JsonObject
            {
                ["path"] = f!["path"]!.GetValue<string>(),
                ["uploadMode"] = IsLarge(f["path"]!.GetValue<string>(), f["size"]!.GetValue<long>()) ? "lfs" : "regular",
            })]),
        }.ToJsonString());
    }

    private async Task BatchAsync(HttpContext context)
    {
        JsonNode body = (await JsonNode.ParseAsync(context.Request.Body))!;
        JsonArray objects = [];
        foreach (JsonNode? item in body["objects"]!.AsArray())
        {
            string sha = item!["oid"]!.GetValue<string>();
            JsonObject answer = new() { ["oid"] = sha, ["size"] = item["size"]!.GetValue<long>() };
            if (!_objects.ContainsKey(sha))
            {
                JsonObject upload = new() { ["href"] = $"{_store.Address}/object/{sha}" };
                if (PartSize > 0)
                {
                    long count = (item["size"]!.GetValue<long>() + PartSize - 1) / PartSize;
                    JsonObject header = new() { ["chunk_size"] = PartSize.ToString(CultureInfo.InvariantCulture) };
                    for (int i = 1; i <= count; i++)
                    {
                        header[i.ToString("D5", CultureInfo.InvariantCulture)] = $"{_store.Address}/part/{sha}/{i}";
                    }

                    upload = new JsonObject { ["href"] = $"{_store.Address}/complete/{sha}", ["header"] = header };
                }

                answer["actions"] = new JsonObject { ["upload"] = upload, ["verify"] = new JsonObject { ["href"] = $"{_store.Address}/verify/{sha}" } };
            }

            objects.Add((JsonNode)answer);
        }

        context.Response.ContentType = "application/vnd.git-lfs+json";
        await context.Response.WriteAsync(new JsonObject { ["objects"] = objects }.ToJsonString());
    }

    private async Task CommitAsync(HttpContext context, Repository repository)
    {
        using StreamReader reader = new(context.Request.Body);
        Dictionary<string, byte[]> changed = [];
        bool hasHeader = false;
        while (await reader.ReadLineAsync() is { } line)
        {
            using JsonDocument json = JsonDocument.Parse(line);
            JsonElement value = json.RootElement.GetProperty("value");
            switch (json.RootElement.GetProperty("key").GetString())
            {
                case "header":
                    hasHeader = value.GetProperty("summary").GetString()!.Length > 0;
                    break;
                case "file":
                    changed[value.GetProperty("path").GetString()!] = value.GetProperty("content").GetBytesFromBase64();
                    break;
                case "lfsFile" when _objects.TryGetValue(value.GetProperty("oid").GetString()!, out byte[]? stored):
                    changed[value.GetProperty("path").GetString()!] = stored;
                    break;
                default:
                    await RefuseAsync(context, 400, "an object that was not uploaded");
                    return;
            }
        }

        if (!hasHeader)
        {
            await RefuseAsync(context, 400, "no summary");
            return;
        }

        foreach ((string path, byte[] content) in changed)
        {
            repository.Files[path] = content;
        }

        repository.Touch();
        await context.Response.WriteAsync(new JsonObject { ["commitOid"] = repository.Commit, ["commitUrl"] = $"{Address}/commit" }.ToJsonString());
    }

    private static Task RefuseAsync(HttpContext context, int status, string message)
    {
        context.Response.StatusCode = status;
        context.Response.Headers["X-Error-Message"] = message;
        return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : context.Response.WriteAsync(new JsonObject { ["error"] = message }.ToJsonString());
    }

    private sealed class Repository
    {
        private int _version;

        public Dictionary<string, byte[]> Files { get; } = [];

        public string Commit { get; private set; } = "";

        public void Touch() => Commit = string.Create(CultureInfo.InvariantCulture, $"{++_version:x8}{new string('a', 32)}");
    }
}
