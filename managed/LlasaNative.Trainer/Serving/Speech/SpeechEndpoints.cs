using System.Diagnostics;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>Reads and checks the bodies of requests, has texts spoken, and writes the answers.</summary>
/// <remarks><b>Threads:</b> any.</remarks>
internal sealed class SpeechEndpoints(PolicyModel policy, ISpeechCodec codec, VoiceShelf voices, ModelEntry model, SpeechOptions options, SpeechEngine engine, SpeechMetrics metrics)
{
    /// <summary><c>POST /v1/audio/speech</c>.</summary>
    public async Task SpeakAsync(HttpContext context)
    {
        var request = await ServerPipeline.ReadJsonAsync(context, SpeechJson.Default.SpeechRequest);
        var start = Stopwatch.GetTimestamp();
        var format = SoundFormat.Find(request.ResponseFormat);
        Check(request.StreamFormat is null or "audio" or "sse", "stream_format", $"`stream_format` is `{request.StreamFormat}`, expected audio or sse");
        Check(request.Stream is not false || request.StreamFormat is not "sse", "stream", "`stream` is false, and `stream_format` asks for events");
        request = request with { StreamFormat = request.Stream is false ? null : request.StreamFormat ?? (request.Stream is true ? "audio" : null) };
        var reading = Prepare(request);
        await using var sound = reading.ReadAsync(context.RequestAborted).GetAsyncEnumerator(context.RequestAborted);
        // Errors have a status of their own up to the first sound.
        if (!await sound.MoveNextAsync())
        {
            throw new ProblemException(500, "silent", "Nothing was said", "the model ended its speech before its first code; another `seed` or text may help");
        }

        if (request.StreamFormat is null)
        {
            await SendWholeAsync(context, sound, format);
        }
        else
        {
            await SendStreamAsync(context, reading, sound, format, request.StreamFormat == "sse", start);
        }
    }

    /// <summary><c>GET /v1/models</c>.</summary>
    public Task ListModelsAsync(HttpContext context) => ServerPipeline.WriteJsonAsync(context, new ModelList("list", [model]), SpeechJson.Default.ModelList);

    /// <summary><c>GET /v1/models/{id}</c>.</summary>
    public Task DescribeModelAsync(HttpContext context)
    {
        CheckModel((string?)context.Request.RouteValues["id"]);
        return ServerPipeline.WriteJsonAsync(context, model, SpeechJson.Default.ModelEntry);
    }

    /// <summary><c>GET /v1/audio/voices</c>.</summary>
    public Task ListVoicesAsync(HttpContext context) => ServerPipeline.WriteJsonAsync(
        context, new VoiceList([.. voices.Names.Select(name => Describe(name, voices.Find(name))).Prepend(Describe(VoiceShelf.Own, null))]), SpeechJson.Default.VoiceList);

    /// <summary><c>POST /v1/audio/voices</c>: a form with <c>name</c>, <c>audio_sample</c> and perhaps <c>text</c>.</summary>
    public async Task AddVoiceAsync(HttpContext context)
    {
        if (!options.AllowUpload)
        {
            throw new ProblemException(403, "not-allowed", "Voices cannot be added", "this server takes no voices: it was started without --allow-upload");
        }

        // A form is what any web page may send here without asking; what it comes from, the browser says.
        if (context.Request.Headers["Sec-Fetch-Site"] is { Count: > 0 } site && site.ToString() is not ("same-origin" or "none"))
        {
            throw new ProblemException(403, "not-allowed", "Voices cannot be added", "the request comes from a page of another origin");
        }

        if (!context.Request.HasFormContentType)
        {
            throw new ProblemException(415, "media-type", "The body must be a form", $"`Content-Type` is `{context.Request.ContentType}`, expected multipart/form-data");
        }

        IFormCollection form;
        try
        {
            form = await context.Request.ReadFormAsync(new FormOptions { MultipartBodyLengthLimit = options.MaxBodyBytes }, context.RequestAborted);
        }
        catch (Exception e) when (e is InvalidDataException or IOException and not BadHttpRequestException)
        {
            throw ProblemException.Malformed(e.Message);
        }

        var file = form.Files.GetFile("audio_sample") ?? form.Files.GetFile("file") ?? throw OpenAiError.Invalid("audio_sample", "`audio_sample` is missing: the sound file");
        using MemoryStream sound = new();
        await file.CopyToAsync(sound, context.RequestAborted);
        var (name, text) = (form["name"].ToString(), form["text"].ToString());
        // What stands in for bytes that are no UTF-8 would become part of every prompt.
        Check(!text.Contains('\uFFFD', StringComparison.Ordinal) && !text.Contains('\0', StringComparison.Ordinal), "text", "`text` is not valid UTF-8, or holds a NUL");
        var voice = await voices.AddAsync(name, sound.ToArray(), text, context.RequestAborted);
        await ServerPipeline.WriteJsonAsync(context, Describe(name, voice), SpeechJson.Default.VoiceEntry);
    }

    private async Task SendWholeAsync(HttpContext context, IAsyncEnumerator<float[]> sound, SoundFormat format)
    {
        List<float> whole = [];
        do
        {
            whole.AddRange(sound.Current);
        }
        while (await sound.MoveNextAsync());

        using MemoryStream body = new();
        await using (var writer = SoundWriter.Create(format, codec.SampleRate, whole.Count, body.WriteAsync))
        {
            await writer.WriteAsync(whole.ToArray(), context.RequestAborted);
            await writer.FinishAsync(context.RequestAborted);
        }

        await ServerPipeline.WriteAsync(context, format.MediaType, body.ToArray());
    }

    private async Task SendStreamAsync(HttpContext context, SpeechReading reading, IAsyncEnumerator<float[]> sound, SoundFormat format, bool events, long start)
    {
        context.Response.ContentType = events ? "text/event-stream" : format.MediaType;
        context.Response.Headers.CacheControl = "no-store";
        AudioEvents? carrier = events ? new(context.Response.Body) : null;
        await using (var writer = SoundWriter.Create(format, codec.SampleRate, null, carrier is null ? SendAsync : carrier.SendAsync))
        {
            await writer.WriteAsync(sound.Current, context.RequestAborted);
            metrics.FirstSound(Stopwatch.GetElapsedTime(start).TotalSeconds);
            while (await sound.MoveNextAsync())
            {
                await writer.WriteAsync(sound.Current, context.RequestAborted);
            }

            await writer.FinishAsync(context.RequestAborted);
        }

        if (carrier is not null)
        {
            await carrier.FinishAsync(new SpeechUsage(reading.InputTokens, reading.OutputTokens, reading.InputTokens + reading.OutputTokens), context.RequestAborted);
        }

        async ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellation)
        {
            await context.Response.Body.WriteAsync(bytes, cancellation);
            await context.Response.Body.FlushAsync(cancellation);
        }
    }

    private SpeechReading Prepare(SpeechRequest request)
    {
        CheckModel(request.Model ?? model.Id);
        Check(request.Speed is null or 1, "speed", $"`speed` is {request.Speed?.ToString("R", CultureInfo.InvariantCulture)}, only 1 can be had: the pace of the speech is the model's own");
        Check(string.IsNullOrWhiteSpace(request.Instructions), "instructions", "`instructions` cannot be followed: the model takes a text and a voice, nothing else");
        Check(request.Temperature is null or 0 or (>= 1e-6 and <= 10), "temperature", "`temperature` is neither 0, which is greedy, nor 1e-6 to 10");
        Check(request.TopP is null or (>= 1e-6 and <= 1), "top_p", "`top_p` is not 1e-6 to 1");
        Check(request.TopK is null or >= 0, "top_k", "`top_k` is less than 0");
        Check(request.Seed is null or >= 0, "seed", "`seed` is less than 0");
        var text = request.Input?.Trim() ?? "";
        Check(!text.Contains('\0', StringComparison.Ordinal), "input", "`input` holds a NUL character");
        Check(text.Length > 0, "input", "`input` is missing or empty: the text to say");
        Check(text.Length <= options.MaxCharacters, "input", $"`input` has {text.Length} characters, at most {options.MaxCharacters} are taken");
        var voice = voices.Find(VoiceName(request.Voice));
        SpeechReading reading = new(policy, engine, Sentences.Cut(text, options.PartCharacters), options.CarryVoice)
        {
            Voice = voice,
            Sampling = new SamplingSettings
            {
                Temperature = request.Temperature ?? options.Temperature,
                TopP = request.TopP ?? options.TopP,
                TopK = request.TopK ?? options.TopK,
                MaxNewTokens = engine.MaxNewTokens,
            },
            Seed = request.Seed ?? BitConverter.ToInt64(RandomNumberGenerator.GetBytes(8)) & long.MaxValue,
            IsStreamed = request.StreamFormat is not null,
        };
        try
        {
            reading.Check();
        }
        catch (UsageException e)
        {
            throw OpenAiError.Invalid("input", e.Message);
        }

        return reading;
    }

    private void CheckModel(string? id)
    {
        if (id != model.Id)
        {
            throw new ProblemException(404, "model_not_found", "There is no such model", $"`model` is `{id}`, there is `{model.Id}`") { Parameter = "model" };
        }
    }

    private static string VoiceName(JsonElement voice)
    {
        try
        {
            return voice.ValueKind switch
            {
                JsonValueKind.Undefined or JsonValueKind.Null => VoiceShelf.Own,
                JsonValueKind.String => voice.GetString()!,
                JsonValueKind.Object when voice.TryGetProperty("id", out var id) && id.ValueKind == JsonValueKind.String => id.GetString()!,
                _ => throw OpenAiError.Invalid("voice", "`voice` is neither a name nor an object with an `id`"),
            };
        }
        catch (InvalidOperationException e)
        {
            // Half of a surrogate pair, escaped: JSON allows it, a text cannot hold it.
            throw OpenAiError.Invalid("voice", $"`voice` is no text: {e.Message}");
        }
    }

    private VoiceEntry Describe(string name, Utterance? voice) =>
        new(name, name, voice?.Text, voice is null ? null : Math.Round((double)voice.Codes.Count * codec.SamplesPerCode / codec.SampleRate, 3));

    private static void Check(bool holds, string parameter, string fault)
    {
        if (!holds)
        {
            throw OpenAiError.Invalid(parameter, fault);
        }
    }
}
