using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace LlasaNative.Tests.Support.Servers;

/// <summary>
/// WebHDFS on two ports, as a name node and a data node: MKDIRS, CREATE, APPEND, OPEN, GETFILESTATUS, LISTSTATUS,
/// GETFILECHECKSUM (the plain definition, bit by bit), RENAME with and without overwriting, DELETE.
/// </summary>
internal sealed class WebHdfsServer : IDisposable
{
    private readonly LoopbackServer _name;
    private readonly LoopbackServer _data;

    public WebHdfsServer()
    {
        _name = new LoopbackServer(context => HandleAsync(context, false));
        _data = new LoopbackServer(context => HandleAsync(context, true));
    }

    public string Host => _name.Address["http://".Length..];

    public SortedDictionary<string, byte[]> Files { get; } = new(StringComparer.Ordinal);

    public HashSet<string> Directories { get; } = ["/"];

    public IEnumerable<string> Seen => _name.Seen.Concat(_data.Seen);

    public int BlockSize { get; init; } = 2048;

    /// <summary>The data node takes only so many bytes of each request, then the connection breaks; 0: all.</summary>
    public int CutAfter { get; set; }

    /// <summary>The data node stores something else than it is sent.</summary>
    public bool Damage { get; set; }

    public string Algorithm { get; init; } = "MD5";

    public void Dispose()
    {
        _name.Dispose();
        _data.Dispose();
    }

    private async Task HandleAsync(HttpContext context, bool isDataNode)
    {
        string path = Uri.UnescapeDataString(context.Request.Path.Value!["/webhdfs/v1".Length..]).TrimEnd('/');
        path = path.Length == 0 ? "/" : path;
        string operation = $"{context.Request.Method} {context.Request.Query["op"]}";
        if (context.Request.Query["user.name"] != "tester")
        {
            await RefuseAsync(context, 401, "AuthenticationException", "who are you?");
            return;
        }

        if (!isDataNode && operation is "PUT CREATE" or "POST APPEND" or "GET OPEN")
        {
            if (operation != "PUT CREATE" && !Files.ContainsKey(path))
            {
                await RefuseAsync(context, 404, "FileNotFoundException", $"File does not exist: {path}");
                return;
            }

            context.Response.StatusCode = 307;
            context.Response.Headers.Location = $"{_data.Address}{context.Request.Path}{context.Request.QueryString}";
            return;
        }

        await (operation switch
        {
            "PUT MKDIRS" => MakeAsync(context, path),
            "PUT CREATE" or "POST APPEND" => TakeAsync(context, path, operation == "POST APPEND"),
            "GET OPEN" => OpenAsync(context, path),
            "GET GETFILESTATUS" => StatusAsync(context, path),
            "GET LISTSTATUS" => ListAsync(context, path),
            "GET GETFILECHECKSUM" => ChecksumAsync(context, path),
            "PUT RENAME" => RenameAsync(context, path),
            "DELETE DELETE" => BooleanAsync(context, Files.Remove(path)),
            _ => RefuseAsync(context, 400, "UnsupportedOperationException", operation),
        });
    }

    private Task MakeAsync(HttpContext context, string path)
    {
        Directories.Add(path);
        return BooleanAsync(context, true);
    }

    private async Task TakeAsync(HttpContext context, string path, bool appends)
    {
        using MemoryStream body = new();
        byte[] buffer = new byte[256];
        int got;
        while ((CutAfter == 0 || body.Length < CutAfter) && (got = await context.Request.Body.ReadAsync(buffer)) > 0)
        {
            body.Write(buffer, 0, got);
        }

        byte[] taken = CutAfter > 0 && body.Length >= CutAfter ? body.ToArray()[..CutAfter] : body.ToArray();
        if (Damage && taken.Length > 0)
        {
            taken[0] ^= 1;
        }

        Files[path] = appends ? [.. Files[path], .. taken] : taken;
        if (CutAfter > 0 && body.Length >= CutAfter)
        {
            context.Abort();
            return;
        }

        context.Response.StatusCode = appends ? 200 : 201;
    }

    private async Task OpenAsync(HttpContext context, string path)
    {
        int offset = int.Parse(context.Request.Query["offset"].ToString(), CultureInfo.InvariantCulture);
        byte[] body = Files[path][offset..];
        context.Response.ContentLength = body.Length;
        bool isCut = CutAfter > 0 && CutAfter < body.Length;
        await context.Response.Body.WriteAsync(isCut ? body.AsMemory(0, CutAfter) : body);
        await context.Response.Body.FlushAsync();
        if (isCut)
        {
            await Task.Delay(50);
            context.Abort();
        }
    }

    private Task StatusAsync(HttpContext context, string path) => Files.TryGetValue(path, out byte[]? content)
        ? context.Response.WriteAsync(new JsonObject { ["FileStatus"] = Status("", content.Length, "FILE") }.ToJsonString())
        : Directories.Contains(path)
            ? context.Response.WriteAsync(new JsonObject { ["FileStatus"] = Status("", 0, "DIRECTORY") }.ToJsonString())
            : RefuseAsync(context, 404, "FileNotFoundException", $"File does not exist: {path}");

    private Task ListAsync(HttpContext context, string path)
    {
        string prefix = path.TrimEnd('/') + "/";
        JsonArray entries = [];
        foreach (string name in Files.Keys.Concat(Directories).Where(f => f.StartsWith(prefix, StringComparison.Ordinal) && f.Length > prefix.Length)
            .Select(f => f[prefix.Length..]).Where(f => !f.Contains('/', StringComparison.Ordinal)))
        {
            bool isFile = Files.TryGetValue(prefix + name, out byte[]? content);
            entries.Add((JsonNode)Status(name, content?.Length ?? 0, isFile ? "FILE" : "DIRECTORY"));
        }

        return context.Response.WriteAsync(new JsonObject { ["FileStatuses"] = new JsonObject { ["FileStatus"] = entries } }.ToJsonString());
    }

    private JsonObject Status(string name, long length, string type) =>
        new() { ["pathSuffix"] = name, ["length"] = length, ["blockSize"] = BlockSize, ["type"] = type };

    private Task ChecksumAsync(HttpContext context, string path)
    {
        byte[] content = Files[path];
        if (Algorithm == "COMPOSITE")
        {
            return AnswerAsync("COMPOSITE-CRC32C", [.. Bytes(SlowCrc32C(content))]);
        }

        // What a DataOutputBuffer holds: capacity 32, doubled when full.
        byte[] md5s = [.. content.Chunk(BlockSize).SelectMany(block => Md5([.. block.Chunk(512).SelectMany(chunk => Bytes(SlowCrc32C(chunk)))]))];
        int capacity = 32;
        while (capacity < md5s.Length)
        {
            capacity *= 2;
        }

        byte[] padded = new byte[capacity];
        md5s.CopyTo(padded, 0);
        int perBlock = content.Length > BlockSize ? BlockSize / 512 : 0;
        byte[] value = [.. Bytes(512), .. new byte[4], .. Bytes((uint)perBlock), .. Md5(padded)];
        return AnswerAsync(string.Create(CultureInfo.InvariantCulture, $"MD5-of-{perBlock}MD5-of-512CRC32C"), value);

        Task AnswerAsync(string algorithm, byte[] bytes) => context.Response.WriteAsync(new JsonObject
        {
            ["FileChecksum"] = new JsonObject { ["algorithm"] = algorithm, ["bytes"] = Convert.ToHexStringLower(bytes), ["length"] = bytes.Length },
        }.ToJsonString());
    }

    private Task RenameAsync(HttpContext context, string path)
    {
        string destination = context.Request.Query["destination"].ToString();
        if (!Files.TryGetValue(path, out byte[]? content) || (Files.ContainsKey(destination) && context.Request.Query["renameoptions"] != "OVERWRITE"))
        {
            return BooleanAsync(context, false);
        }

        Files.Remove(path);
        Files[destination] = content;
        return Task.CompletedTask;
    }

    private static Task BooleanAsync(HttpContext context, bool value) => context.Response.WriteAsync(new JsonObject { ["boolean"] = value }.ToJsonString());

    private static Task RefuseAsync(HttpContext context, int status, string exception, string message)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsync(
            new JsonObject { ["RemoteException"] = new JsonObject { ["exception"] = exception, ["message"] = message } }.ToJsonString());
    }

    private static byte[] Bytes(uint value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }

#pragma warning disable CA5351 // HDFS's choice
    private static byte[] Md5(byte[] bytes) => MD5.HashData(bytes);
#pragma warning restore CA5351

    private static uint SlowCrc32C(byte[] bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte b in bytes)
        {
            crc ^= b;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc & 1) == 1 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
            }
        }

        return ~crc;
    }
}
