using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace LlasaNative.EndToEnd.Tests.Serving;

/// <summary>Bytes sent to a server as they are, and what comes back.</summary>
internal static class RawRequest
{
    /// <summary>A head with these fields, and the empty line.</summary>
    public static byte[] Head(string method, string path, params string[] fields) =>
        Encoding.Latin1.GetBytes($"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{string.Concat(fields.Select(f => f + "\r\n"))}\r\n");

    /// <summary>A sound request around a body of JSON; the connection ends with its answer.</summary>
    public static byte[] Post(string path, byte[] body, string type = "application/json") =>
        [.. Head("POST", path, "Connection: close", $"Content-Type: {type}", string.Create(CultureInfo.InvariantCulture, $"Content-Length: {body.Length}")), .. body];

    public static async Task<TcpClient> ConnectAsync(Uri server)
    {
        TcpClient client = new() { NoDelay = true };
        await client.ConnectAsync(server.Host, server.Port);
        return client;
    }

    /// <summary>Everything that comes before the server closes the connection; null when it did not within the time.</summary>
    public static async Task<byte[]?> ReadAllAsync(TcpClient client, TimeSpan limit)
    {
        using CancellationTokenSource over = new(limit);
        using MemoryStream all = new();
        try
        {
            await client.GetStream().CopyToAsync(all, over.Token);
        }
        catch (IOException)
        {
            // Reset; what came before counts.
        }
        catch (OperationCanceledException)
        {
            return null;
        }

        return all.ToArray();
    }

    /// <summary>Status, media type and body of an answer that was closed by the server.</summary>
    public static (int Status, string Type, string Body) Parse(byte[] answer)
    {
        var text = Encoding.UTF8.GetString(answer);
        var (head, body) = text.IndexOf("\r\n\r\n", StringComparison.Ordinal) is var end and >= 0 ? (text[..end], text[(end + 4)..]) : (text, "");
        const string Type = "Content-Type: ";
        var type = head.Split("\r\n").FirstOrDefault(l => l.StartsWith(Type, StringComparison.OrdinalIgnoreCase))?[Type.Length..] ?? "";
        Assert.That(head, Does.StartWith("HTTP/1.1 "), text);
        return (int.Parse(head.AsSpan(9, 3), CultureInfo.InvariantCulture), type, body);
    }
}
