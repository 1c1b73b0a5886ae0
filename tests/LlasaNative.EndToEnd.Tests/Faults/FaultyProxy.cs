using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;

namespace LlasaNative.EndToEnd.Tests.Faults;

/// <summary>
/// Stands between a trainer and a reward server, down at the bytes: it passes requests on and answers back, and any answer for
/// scores can be lost, cut, kept back or forged.
/// </summary>
internal sealed class FaultyProxy : IDisposable
{
    private readonly TcpListener _recognition = new(IPAddress.Loopback, 0);
    private readonly HttpClient _http;
    private readonly Func<int, Fault?> _choose;
    private readonly CancellationTokenSource _over = new();
    private readonly List<TcpClient> _open = [];
    private readonly Task _accepting;
    private int _asked;
    private int _disturbed;

    /// <param name="server">The reward server.</param>
    /// <param name="choose">The fault of the n-th question for scores, counted from 1; null = none.</param>
    public FaultyProxy(Uri server, Func<int, Fault?> choose)
    {
        _http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = server };
        _choose = choose;
        _recognition.Start();
        Address = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{((IPEndPoint)_recognition.LocalEndpoint).Port}");
        _accepting = AcceptAsync();
    }

    /// <summary>What is done instead of answering; afterwards the connection is closed.</summary>
    public delegate Task Fault(Line line);

    public string Address { get; }

    /// <summary>Questions for scores so far.</summary>
    public int Asked => Volatile.Read(ref _asked);

    /// <summary>Those of them that got a fault.</summary>
    public int Disturbed => Volatile.Read(ref _disturbed);

    /// <summary>Takes no more connections, and breaks those there are: the server is gone.</summary>
    public void Die()
    {
        _recognition.Stop();
        lock (_open)
        {
            _open.ForEach(Reset);
        }
    }

    public void Dispose()
    {
        _over.Cancel();
        Die();
        _accepting.GetAwaiter().GetResult();
        _http.Dispose();
        _over.Dispose();
        _recognition.Dispose();
    }

    private static void Reset(TcpClient client)
    {
        try
        {
            client.LingerState = new LingerOption(true, 0);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Closed already.
        }

        client.Close();
    }

    private async Task AcceptAsync()
    {
        List<Task> serving = [];
        try
        {
            while (true)
            {
                var client = await _recognition.AcceptTcpClientAsync(_over.Token);
                lock (_open)
                {
                    _open.Add(client);
                }

                serving.Add(ServeAsync(client));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(serving);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        try
        {
            while (await ReadAsync(client.GetStream()) is var (method, path, body))
            {
                Line line = new(client, () => ForwardAsync(method, path, body), _over.Token);
                var fault = path == "/score_batch" ? _choose(Interlocked.Increment(ref _asked)) : null;
                if (fault is not null)
                {
                    Interlocked.Increment(ref _disturbed);
                    await fault(line);
                    return;
                }

                var (status, answer) = await line.AskAsync();
                await line.WriteAsync(Line.Head(status, answer.Length) + "\r\n", answer);
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or InvalidOperationException or OperationCanceledException)
        {
            // Either side has gone.
        }
        finally
        {
            lock (_open)
            {
                _open.Remove(client);
            }

            client.Dispose();
        }
    }

    /// <summary>A request as the trainer's client writes it: a head, and a body of a stated length.</summary>
    private async Task<(string Method, string Path, byte[] Body)?> ReadAsync(NetworkStream stream)
    {
        List<byte> head = [];
        var one = new byte[1];
        while (head.Count < 4 || !head[^4..].SequenceEqual("\r\n\r\n"u8.ToArray()))
        {
            if (await stream.ReadAsync(one, _over.Token) == 0)
            {
                return null;
            }

            head.Add(one[0]);
        }

        var lines = Encoding.ASCII.GetString([.. head]).Split("\r\n");
        const string Length = "Content-Length: ";
        var length = lines.FirstOrDefault(l => l.StartsWith(Length, StringComparison.OrdinalIgnoreCase))?[Length.Length..] ?? "0";
        var body = new byte[int.Parse(length, CultureInfo.InvariantCulture)];
        await stream.ReadExactlyAsync(body, _over.Token);
        var words = lines[0].Split(' ');
        return (words[0], words[1], body);
    }

    private async Task<(int Status, byte[] Body)> ForwardAsync(string method, string path, byte[] body)
    {
        using HttpRequestMessage request = new(new HttpMethod(method), path);
        if (body.Length > 0)
        {
            request.Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
        }

        using var response = await _http.SendAsync(request, _over.Token);
        return ((int)response.StatusCode, await response.Content.ReadAsByteArrayAsync(_over.Token));
    }

    /// <summary>The connection a question came over.</summary>
    internal sealed class Line(TcpClient client, Func<Task<(int Status, byte[] Body)>> ask, CancellationToken over)
    {
        /// <summary>What the server answers.</summary>
        public Task<(int Status, byte[] Body)> AskAsync() => ask();

        /// <summary>The head of an answer, without the empty line after it.</summary>
        public static string Head(int status, int length) =>
            string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n");

        public async Task WriteAsync(string head, ReadOnlyMemory<byte> body)
        {
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(head), over);
            await client.GetStream().WriteAsync(body, over);
        }

        /// <summary>Answers with another status, as a server or something before it may.</summary>
        public Task RefuseAsync(int status, string header = "") => WriteAsync($"{Head(status, 0)}Connection: close\r\n{header}\r\n", default);

        /// <summary>Answers with these bytes as if they were what was asked for.</summary>
        public Task ForgeAsync(byte[] body) => WriteAsync($"{Head(200, body.Length)}Connection: close\r\n\r\n", body);

        /// <summary>Waits until the client has lost its patience.</summary>
        public async Task WaitForTheClientToGoAsync()
        {
            var one = new byte[1];
            while (await client.GetStream().ReadAsync(one, over) > 0)
            {
            }
        }

        public void Reset() => FaultyProxy.Reset(client);
    }
}
