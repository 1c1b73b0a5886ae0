using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace LlasaNative.Tests.Support.Servers;

/// <summary>A small HTTP server on a free port of the loopback address, and the requests it has seen.</summary>
internal sealed class LoopbackServer : IDisposable
{
    private readonly WebApplication _app;

    public LoopbackServer(Func<HttpContext, Task> handle)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = null);
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.Run(context =>
        {
            Seen.Enqueue($"{context.Request.Method} {context.Request.Path}{context.Request.QueryString}");
            return handle(context);
        });
        _app.Start();
        Address = _app.Urls.Single();
    }

    /// <summary>As <c>http://127.0.0.1:12345</c>.</summary>
    public string Address { get; }

    /// <summary>Method, path and query of every request.</summary>
    public ConcurrentQueue<string> Seen { get; } = [];

    public void Dispose()
    {
        _app.StopAsync(TimeSpan.FromSeconds(1)).GetAwaiter().GetResult();
        _app.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }
}
