using System.Diagnostics;
using System.Net.Mime;
using System.Security.Cryptography;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace LlasaNative.Trainer.Serving;

/// <summary>What every request goes through: counting, the token, the time limit, and errors as the clients expect them.</summary>
internal sealed class ServerPipeline(HttpOptions options, HttpMetrics metrics, IErrorBody errors, Func<bool> isDraining)
{
    /// <summary>Status under which requests are counted whose client went away.</summary>
    public const int ClientWentAway = 499;

    private readonly HashSet<string> _known = [];
    private readonly HashSet<string> _open = [];
    private readonly byte[]? _token = options.Token is null ? null : SHA256.HashData(Encoding.UTF8.GetBytes(options.Token));

    /// <summary>A route that there is; all others are counted together.</summary>
    public void Add(string path, bool open)
    {
        _known.Add(path);
        if (open)
        {
            _open.Add(path);
        }
    }

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var start = Stopwatch.GetTimestamp();
        var endpoint = context.Request.Path.Value is { } path && _known.Contains(path) ? path : "other";
        metrics.Begin();
        var client = context.RequestAborted;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(client);
        limit.CancelAfter(options.RequestTimeout);
        context.RequestAborted = limit.Token;
        try
        {
            Admit(context, endpoint);
            await next(context);
            if (!context.Response.HasStarted && context.Response.StatusCode >= 400)
            {
                await WriteProblemAsync(context, Unrouted(context));
            }
        }
        catch (Exception e)
        {
            await FailAsync(context, e, client);
        }
        finally
        {
            context.RequestAborted = client;
            var status = client.IsCancellationRequested ? ClientWentAway : context.Response.StatusCode;
            metrics.End((context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? endpoint, status, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
    }

    /// <summary>The body of a request.</summary>
    public static async Task<T> ReadJsonAsync<T>(HttpContext context, JsonTypeInfo<T> type)
    {
        if (!context.Request.HasJsonContentType())
        {
            throw new ProblemException(415, "media-type", "The body must be JSON", $"`Content-Type` is `{context.Request.ContentType}`, expected application/json");
        }

        using MemoryStream body = new();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        return PythonJson.Deserialize(body.GetBuffer().AsMemory(0, (int)body.Length), type)
            ?? throw ProblemException.Malformed("the body is null");
    }

    public static Task WriteJsonAsync<T>(HttpContext context, T body, JsonTypeInfo<T> type) =>
        WriteAsync(context, MediaTypeNames.Application.Json, JsonSerializer.SerializeToUtf8Bytes(body, type));

    public static Task WriteAsync(HttpContext context, string type, string body) => WriteAsync(context, type, Encoding.UTF8.GetBytes(body));

    public static Task WriteAsync(HttpContext context, string type, byte[] body)
    {
        context.Response.ContentType = type;
        context.Response.ContentLength = body.Length;
        return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : context.Response.Body.WriteAsync(body, context.RequestAborted).AsTask();
    }

    private async Task WriteProblemAsync(HttpContext context, ProblemException problem)
    {
        context.Response.StatusCode = errors.Status(problem);
        if (problem.RetryAfter is { } seconds)
        {
            context.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        }

        var body = errors.Write(problem);
        context.Response.ContentType = errors.MediaType;
        context.Response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            // Not the request's own token: the time limit may be why there is a problem.
            await context.Response.Body.WriteAsync(body);
        }
    }

    private ProblemException Unrouted(HttpContext context) => context.Response.StatusCode switch
    {
        StatusCodes.Status404NotFound => new ProblemException(404, "not-found", "There is nothing here", $"no endpoint `{context.Request.Path}`; there are {string.Join(", ", _known.Order(StringComparer.Ordinal))}"),
        StatusCodes.Status405MethodNotAllowed => new ProblemException(
            405, "method-not-allowed", "Wrong method", $"`{context.Request.Path}` does not take {context.Request.Method}, only {context.Response.Headers.Allow}"),
        var status => new ProblemException(status, "error", "The request failed", $"status {status}"),
    };

    private void Admit(HttpContext context, string endpoint)
    {
        if (_open.Contains(endpoint))
        {
            return;
        }

        if (_token is not null && !Presents(context.Request.Headers.Authorization.ToString()))
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
            throw new ProblemException(401, "unauthorised", "A token is needed", "`Authorization: Bearer …` is missing or names another token");
        }

        if (isDraining() && HttpMethods.IsPost(context.Request.Method))
        {
            throw ProblemException.Draining();
        }
    }

    private bool Presents(string header)
    {
        const string Scheme = "Bearer ";
        // Hashes of the same length: the comparison tells neither the token's length nor how far it matched.
        return header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            && CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(header[Scheme.Length..].Trim())), _token);
    }

    private async Task FailAsync(HttpContext context, Exception error, CancellationToken client)
    {
        if (client.IsCancellationRequested)
        {
            return;
        }

        var problem = error switch
        {
            ProblemException known => known,
            BadHttpRequestException { StatusCode: 413 } => new ProblemException(
                413, "too-large", "The body is too large", FormattableString.Invariant($"more than {options.MaxBodyBytes} bytes")),
            BadHttpRequestException { StatusCode: 408 } => new ProblemException(408, "too-slow", "The body came too slowly", error.Message),
            BadHttpRequestException bad => new ProblemException(bad.StatusCode, "malformed-request", "The request cannot be read", bad.Message),
            JsonException json => ProblemException.Malformed($"not the JSON expected: {json.Message}", json.Path is ['$', '.', .. var field] ? field : null),
            UsageException usage => ProblemException.Invalid(usage.Message),
            OperationCanceledException => ProblemException.Late(options.RequestTimeout),
            _ => new ProblemException(500, "internal", "The request could not be answered", MemoryAdvice.Describe(error).ReplaceLineEndings(" ")),
        };
        if (problem.Problem.Status == StatusCodes.Status500InternalServerError)
        {
            await Console.Error.WriteLineAsync($"llasa: {context.Request.Path}: {problem.Message}");
        }

        if (context.Response.HasStarted)
        {
            context.Abort();
            return;
        }

        try
        {
            await WriteProblemAsync(context, problem);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The client went away meanwhile.
        }
    }
}
