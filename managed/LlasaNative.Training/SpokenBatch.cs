namespace LlasaNative.Training;

/// <summary>Texts on their way through ② to ⑦, one call a stage, in this order: for training, for evaluation and for <c>speak</c>.</summary>
/// <remarks><b>Threads:</b> shares its policy's thread. <b>Lifetime:</b> dispose it: that waits for whoever still listens.</remarks>
public sealed class SpokenBatch : IDisposable
{
    private readonly IPolicy _policy;
    private readonly SpeakRequest _request;
    private readonly PhaseTimer _timer;
    private readonly RecognitionSession? _recognising;
    private readonly CancellationToken _cancellation;
    private int[][] _prompts = [];

    /// <summary>Takes texts up.</summary>
    /// <param name="policy">Who speaks.</param>
    /// <param name="recognition">Who listens; null = nobody, then ④ is the last stage.</param>
    /// <param name="request">What is to be said.</param>
    /// <param name="timer">Told how long each stage takes.</param>
    /// <param name="cancellation">Honoured within one token step, and between batches of the recogniser.</param>
    public SpokenBatch(IPolicy policy, IRecognition? recognition, SpeakRequest request, PhaseTimer timer, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(timer);
        (_policy, _request, _timer, _cancellation) = (policy, request, timer, cancellation);
        Texts = [.. request.Texts.SelectMany(text => Enumerable.Repeat(text.Text, request.SamplesPerText))];
        _recognising = recognition is null ? null : new RecognitionSession(recognition, Texts, request.Extras, cancellation, Voices(request));
    }

    /// <summary>What each sample should say.</summary>
    public string[] Texts { get; }

    /// <summary>The samples, once they are drawn.</summary>
    public RolloutBatch Samples { get; private set; } = new([], []);

    /// <summary>Speech codes of each sample, once they are read.</summary>
    public int[][] Codes { get; private set; } = [];

    /// <summary>What was heard in each, once somebody listened.</summary>
    public IReadOnlyList<RecognisedSample> Recognised { get; private set; } = [];

    /// <summary>② The texts' tokens: a look-up, for texts are encoded once, when they are read.</summary>
    public void TakeTokens() => _prompts = [.. _request.Texts.Select(text => text.Prompt)];

    /// <summary>③ Draws the samples. Who listens may begin with the first of them while others are still drawn.</summary>
    public void Sample()
    {
        if (_prompts.Length == 0)
        {
            return;   // a rank whose share is empty
        }

        SampleRequest draw = new(
            _prompts, _request.SamplesPerText, _request.Sampling, [.. Enumerable.Range(0, Texts.Length).Select(i => _request.FirstId + (ulong)i)])
        {
            Slots = _request.Slots,
            Finished = _request.Overlap && _recognising is not null ? _recognising.Offer : null,
        };
        Samples = _timer.Measure("rollout", () => _policy.Sample(draw, _cancellation));
    }

    /// <summary>④ From tokens to speech codes.</summary>
    public void ReadCodes() => Codes = [.. Enumerable.Range(0, Samples.Count).Select(i => _policy.ReadCodes(Samples[i].Tokens.Span))];

    /// <summary>⑤ Hands the codes to whoever turns them into sound, if that was not done while others were drawn.</summary>
    public void Vocode()
    {
        for (var i = 0; !_request.Overlap && i < Codes.Length; i++)
        {
            Recognising.Offer(i, Codes[i]);
        }
    }

    /// <summary>⑥ Waits for transcripts and likelihoods, and for how it was said.</summary>
    /// <returns>One per sample; one that failed says why.</returns>
    public IReadOnlyList<RecognisedSample> Recognise()
    {
        var recognised = _timer.Measure("listen", Recognising.Complete);
        _timer.Add("vocode", recognised.VocodeSeconds);
        _timer.Add("recognise", recognised.RecogniseSeconds);
        _timer.Add("prosody", recognised.ProsodySeconds);
        return Recognised = recognised.Samples;
    }

    /// <summary>⑦ Judges what was heard.</summary>
    /// <param name="judge">By which reward.</param>
    public DrawnGroups Judge(SampleJudge judge)
    {
        ArgumentNullException.ThrowIfNull(judge);
        var judged = _timer.Measure("reward", () => judge.Judge(Texts, Samples.Ended, Codes, Recognised));
        return new DrawnGroups(Texts, Samples, Codes, Recognised, judged)
        {
            Voices = _request.Texts.All(text => text.Voice is null) ? [] : [.. _request.Texts.SelectMany(text => Enumerable.Repeat(text.Voice?.Name, _request.SamplesPerText))],
        };
    }

    /// <inheritdoc/>
    public void Dispose() => _recognising?.Dispose();

    /// <summary>Codes that come before each sample's own; null where no text has a voice.</summary>
    private static IReadOnlyList<int>[]? Voices(SpeakRequest request) => request.Texts.All(text => text.Voice is null) ? null
        : [.. request.Texts.SelectMany(text => Enumerable.Repeat(text.Voice?.Codes ?? [], request.SamplesPerText))];

    private RecognitionSession Recognising => _recognising ?? throw new InvalidOperationException("nobody listens to this batch");
}
