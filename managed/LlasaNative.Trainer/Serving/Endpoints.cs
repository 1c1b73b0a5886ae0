using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;

namespace LlasaNative.Trainer.Serving;

/// <summary>Reads and checks the bodies of requests, has them scored, and writes the answers.</summary>
/// <remarks><b>Threads:</b> any.</remarks>
internal sealed class Endpoints(LocalRecognition recognition, ScoringOptions scoring, string model, ServerOptions options, ScoringEngine engine)
{
    private const int MaxWays = 16;

    // What the reference server computes, whatever else is configured: start of transcript, text, end.
    private readonly IRecogniser _reference = recognition.Recogniser.ListenAs(scoring with { Prompt = ScorePromptStyle.Seed, LeadingSpace = LeadingSpace.False });
    private readonly ConcurrentDictionary<ScoringOptions, IRecogniser> _ways = new();

    /// <summary><c>POST /score</c>.</summary>
    public async Task ScoreAsync(HttpContext context)
    {
        var request = await ServerPipeline.ReadJsonAsync(context, WireJson.Default.ScoreRequest);
        Check(request, _reference, "");
        var recognised = await engine.ScoreAsync(new ScoringJob
        {
            Codes = [request.Tokens],
            Leads = [request.Lead],
            Texts = [request.Text],
            Recogniser = _reference,
            Abandoned = context.RequestAborted,
        });
        await AnswerAsync(context, recognised[0]);
    }

    /// <summary><c>POST /score_wav?text=…</c>: the body is a WAV file.</summary>
    public async Task ScoreWaveAsync(HttpContext context)
    {
        if (!context.Request.Query.TryGetValue("text", out var text) || text.Count != 1)
        {
            throw ProblemException.Invalid("the query parameter `text` is missing: POST /score_wav?text=…");
        }

        CheckText(text[0]!, _reference, "");
        using MemoryStream body = new();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        var sound = Decode(body.GetBuffer().AsSpan(0, (int)body.Length));
        var recognised = await engine.ScoreAsync(new ScoringJob
        {
            Sounds = [sound],
            Texts = [text[0]!],
            Recogniser = _reference,
            Abandoned = context.RequestAborted,
        });
        await AnswerAsync(context, recognised[0]);
    }

    /// <summary><c>POST /score_batch</c>.</summary>
    public async Task ScoreBatchAsync(HttpContext context)
    {
        var request = await ServerPipeline.ReadJsonAsync(context, WireJson.Default.BatchRequest);
        if (request.Samples.Length == 0 || request.Samples.Length > options.MaxSamples)
        {
            throw ProblemException.Invalid($"`samples` holds {request.Samples.Length}, expected 1 to {options.MaxSamples}");
        }

        var recogniser = Way(request.Scoring);
        for (var i = 0; i < request.Samples.Length; i++)
        {
            Check(request.Samples[i] ?? throw ProblemException.Malformed($"`samples[{i}]` is null"), recogniser, $"samples[{i}].");
        }

        var recognised = await engine.ScoreAsync(new ScoringJob
        {
            Codes = [.. request.Samples.Select(s => s.Tokens)],
            Leads = [.. request.Samples.Select(s => s.Lead)],
            Texts = [.. request.Samples.Select(s => s.Text)],
            Recogniser = recogniser,
            Extras = (request.Sound ? RecognitionExtras.Sound : 0) | (request.Prosody ? RecognitionExtras.Prosody : 0),
            Alone = true,
            Abandoned = context.RequestAborted,
        });
        BatchResponse response = new(model, [.. recognised.Select(SampleResult.From)]);
        await ServerPipeline.WriteJsonAsync(context, response, WireJson.Default.BatchResponse);
    }

    /// <summary><c>POST /check</c>: whether texts can be scored, before anybody speaks them.</summary>
    public async Task CheckAsync(HttpContext context)
    {
        var request = await ServerPipeline.ReadJsonAsync(context, WireJson.Default.CheckRequest);
        var recogniser = Way(request.Scoring);
        List<TextFault> faults = [];
        for (var i = 0; i < request.Texts.Length; i++)
        {
            try
            {
                recogniser.CheckText(request.Texts[i] ?? throw ProblemException.Malformed($"`texts[{i}]` is null"));
            }
            catch (UsageException e)
            {
                faults.Add(new TextFault(i, e.Message));
            }
        }

        await ServerPipeline.WriteJsonAsync(context, new CheckResponse([.. faults]), WireJson.Default.CheckResponse);
    }

    private static Task AnswerAsync(HttpContext context, RecognisedSample recognised)
    {
        var nll = recognised.Score.Nll;
        ScoreResponse response = new(double.IsFinite(nll) ? nll : null, recognised.Score.Transcript);
        return ServerPipeline.WriteJsonAsync(context, response, WireJson.Default.ScoreResponse);
    }

    private IRecogniser Way(ScoringRequest? request)
    {
        if (request is null)
        {
            return recognition.Recogniser;
        }

        ScoringOptions way;
        try
        {
            way = request.ToOptions();
        }
        catch (FormatException e)
        {
            throw ProblemException.Invalid($"`scoring`: {e.Message}");
        }

        if (_ways.Count > MaxWays)
        {
            _ways.Clear();
        }

        return _ways.GetOrAdd(way, recognition.Recogniser.ListenAs);
    }

    private void Check(ScoreRequest request, IRecogniser recogniser, string prefix)
    {
        if (request.Tokens.Length > options.MaxCodes)
        {
            throw ProblemException.Invalid($"`{prefix}tokens` holds {request.Tokens.Length}, expected at most {options.MaxCodes}");
        }

        var bad = Array.FindIndex(request.Tokens, t => (uint)t >= (uint)recognition.CodeCount);
        if (bad >= 0)
        {
            throw ProblemException.Invalid($"`{prefix}tokens[{bad}]` is {request.Tokens[bad]}, expected 0 to {recognition.CodeCount - 1}");
        }

        if (request.Lead < 0 || request.Lead > request.Tokens.Length)
        {
            throw ProblemException.Invalid($"`{prefix}lead` is {request.Lead}, expected 0 to the {request.Tokens.Length} of `{prefix}tokens`");
        }

        CheckText(request.Text, recogniser, prefix);
    }

    private static void CheckText(string text, IRecogniser recogniser, string prefix)
    {
        try
        {
            recogniser.CheckText(text);
        }
        catch (UsageException e)
        {
            throw ProblemException.Invalid($"`{prefix}text`: {e.Message}");
        }
    }

    private ReadOnlyMemory<float> Decode(ReadOnlySpan<byte> file)
    {
        WaveAudio wave;
        try
        {
            wave = WaveFile.Parse(file, "the body");
        }
        catch (ModelFileException e)
        {
            throw ProblemException.Malformed(e.Message);
        }

        var longest = (double)options.MaxCodes * recognition.Codec.SamplesPerCode / recognition.Codec.SampleRate;
        if (wave.Seconds > longest)
        {
            throw ProblemException.Invalid(FormattableString.Invariant($"the sound lasts {wave.Seconds:F2} s, expected at most {longest:F2} s"));
        }

        var sound = Resampler.Resample(wave, RecognisedSample.SampleRate).Samples;
        foreach (var sample in sound.Span)
        {
            if (!float.IsFinite(sample))
            {
                throw ProblemException.Invalid("the sound holds NaN or infinity");
            }
        }

        return sound;
    }
}
