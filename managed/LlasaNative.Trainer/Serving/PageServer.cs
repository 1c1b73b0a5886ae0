using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace LlasaNative.Trainer.Serving;

/// <summary>Serves a page and what it asks for to this machine only.</summary>
/// <remarks>
/// Requests that name another host are refused, so that no web page can read anything by having its own name resolve to this machine;
/// a page loads nothing but what is served here. <b>Threads:</b> any. Dispose stops it.
/// </remarks>
internal abstract class PageServer : IDisposable
{
    private readonly WebApplication _app;
    private readonly string _policy;
    private readonly string[] _methods;
    private readonly string _what;
    private readonly int _port;

    protected PageServer(string what, int port, string policy, int maxBodyBytes, params string[] methods)
    {
        if (port is < 0 or > 65535)
        {
            throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"{what}'s port {port} is not 0 to 65535"));
        }

        (_what, _port, _policy, _methods) = (what, port, policy, methods);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, port);
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = 64;
            kestrel.Limits.MaxRequestBodySize = maxBodyBytes;
        });
        _app = builder.Build();
        _app.Run(HandleAsync);
    }

    /// <summary>Where it is to be found.</summary>
    public Uri Address => new(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());

    public virtual void Dispose()
    {
        using CancellationTokenSource soon = new(TimeSpan.FromSeconds(2));
        try
        {
            _app.StopAsync(soon.Token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException)
        {
            // A browser that will not let go of its connection.
        }

        ((IDisposable)_app).Dispose();
    }

    /// <summary>Begins to listen; on failure it is disposed.</summary>
    /// <exception cref="LlasaException">The port cannot be had.</exception>
    public void Listen()
    {
        try
        {
            _app.StartAsync().GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            Dispose();
            throw new LlasaException(string.Create(CultureInfo.InvariantCulture, $"port {_port} of 127.0.0.1 cannot be had for {_what}: {e.Message}"), e);
        }
    }

    /// <summary>Answers a request of an allowed method.</summary>
    protected abstract Task AnswerAsync(HttpContext context, string[] path);

    protected static Task SendJsonAsync(HttpContext context, object data) => SendAsync(context, "application/json", JsonWriting.ToPage(data));

    protected static async Task SendAsync(HttpContext context, string type, byte[] body)
    {
        context.Response.ContentType = type;
        context.Response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await context.Response.Body.WriteAsync(body, context.RequestAborted);
        }
    }

    protected static string TypeOf(string file) => file.EndsWith(".css", StringComparison.Ordinal) ? "text/css; charset=utf-8" : "text/javascript; charset=utf-8";

    protected static Task NotFound(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status404NotFound;
        return Task.CompletedTask;
    }

    private async Task HandleAsync(HttpContext context)
    {
        var (request, response) = (context.Request, context.Response);
        response.Headers.ContentSecurityPolicy = _policy;
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers["Referrer-Policy"] = "no-referrer";
        response.Headers["Cross-Origin-Resource-Policy"] = "same-origin";
        response.Headers.CacheControl = "no-store";
        if (request.Host.Host is not ("127.0.0.1" or "localhost" or "[::1]"))
        {
            response.StatusCode = StatusCodes.Status421MisdirectedRequest;
        }
        else if (!_methods.Contains(request.Method, StringComparer.OrdinalIgnoreCase))
        {
            response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            response.Headers.Allow = string.Join(", ", _methods);
        }
        else
        {
            try
            {
                await AnswerAsync(context, (request.Path.Value ?? "/").TrimStart('/').Split('/'));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or LlasaException && !response.HasStarted)
            {
                response.StatusCode = e is BadHttpRequestException bad ? bad.StatusCode : StatusCodes.Status503ServiceUnavailable;
                await response.WriteAsync(e.Message.ReplaceLineEndings(" "), context.RequestAborted);
            }
        }
    }
}
