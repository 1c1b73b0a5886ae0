using System.Net;

namespace LlasaNative.Trainer.Commands;

/// <summary>Where a server listens, and how long it runs.</summary>
internal sealed class HttpArguments
{
    /// <summary>The options with a server's defaults.</summary>
    public HttpArguments(HttpOptions defaults)
    {
        Listen = new("--listen") { Description = "Address; any but a loopback one needs a token.", DefaultValueFactory = _ => "127.0.0.1" };
        Port = new("--port") { Description = "Port; 0 = one that is free.", DefaultValueFactory = _ => defaults.Port };
        TokenFile = new("--token-file") { Description = $"File with the bearer token clients must present; default: the variable {defaults.TokenVariable}." };
        MaxBody = new("--max-body-mb") { Description = "Largest body.", DefaultValueFactory = _ => defaults.MaxBodyBytes / 1048576.0 };
        Timeout = new("--timeout") { Description = "Seconds a request may take, waiting included.", DefaultValueFactory = _ => defaults.RequestTimeout.TotalSeconds };
        Drain = new("--drain") { Description = "Seconds for the requests at hand when told to stop.", DefaultValueFactory = _ => defaults.DrainTimeout.TotalSeconds };
    }

    public IEnumerable<Option> All => [Listen, Port, TokenFile, MaxBody, Timeout, Drain];

    private Option<string> Listen { get; }

    private Option<int> Port { get; }

    private Option<string> TokenFile { get; }

    private Option<double> MaxBody { get; }

    private Option<double> Timeout { get; }

    private Option<double> Drain { get; }

    /// <summary>A server's options with these filled in.</summary>
    public T Read<T>(ParseResult parsed, T options)
        where T : HttpOptions => options with
        {
            Address = IPAddress.TryParse(parsed.GetValue(Listen), out var address)
                ? address
                : throw new UsageException($"--listen: `{parsed.GetValue(Listen)}` is not an IP address"),
            Port = parsed.GetValue(Port),
            Token = ReadToken(parsed.GetValue(TokenFile), options.TokenVariable),
            MaxBodyBytes = (long)(Math.Clamp(parsed.GetValue(MaxBody), 0, 1e9) * 1048576),
            RequestTimeout = Span(parsed.GetValue(Timeout), "--timeout"),
            DrainTimeout = Span(parsed.GetValue(Drain), "--drain"),
        };

    /// <summary>The token of a file, or else of the environment; null when there is none.</summary>
    public static string? ReadToken(string? file, string variable)
    {
        if (file is null)
        {
            return Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? value : null;
        }

        try
        {
            return File.ReadAllText(file).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"--token-file: {e.Message}", e);
        }
    }

    /// <summary>A time of an option.</summary>
    public static TimeSpan Span(double seconds, string option) => seconds is >= 0 and <= 1e6
        ? TimeSpan.FromSeconds(seconds)
        : throw new UsageException($"{option}: out of range");

    /// <summary>Serves until Ctrl-C or SIGTERM, then finishes what is at hand.</summary>
    /// <param name="start">Starts the server: where it listens, what it serves, and how it is stopped.</param>
    public static int Serve<TServer>(Func<Task<TServer>> start, Func<TServer, (Uri Url, string Model)> describe, Func<TServer, Task<bool>> end, HttpOptions options)
        where TServer : IAsyncDisposable => ServeAsync(start, describe, end, options).GetAwaiter().GetResult();

    private static async Task<int> ServeAsync<TServer>(
        Func<Task<TServer>> start, Func<TServer, (Uri Url, string Model)> describe, Func<TServer, Task<bool>> end, HttpOptions options)
        where TServer : IAsyncDisposable
    {
        using StopSignal stop = new(atOnce: true);
        await using var server = await start();
        var (url, model) = describe(server);
        await Console.Error.WriteLineAsync($"listening on {url.GetLeftPart(UriPartial.Authority)} ({model})");
        try
        {
            await Task.Delay(System.Threading.Timeout.Infinite, stop.Abort);
        }
        catch (OperationCanceledException)
        {
            await Console.Error.WriteLineAsync("finishing the requests at hand");
        }

        if (await end(server))
        {
            await Console.Error.WriteLineAsync("stopped");
            return 0;
        }

        await Console.Error.WriteLineAsync($"llasa: requests were cut off after {options.DrainTimeout.TotalSeconds:0.###} s of draining");
        return LlasaException.FailureExitCode;
    }
}
