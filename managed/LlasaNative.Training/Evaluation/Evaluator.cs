namespace LlasaNative.Training;

/// <summary>Has texts spoken and judged.</summary>
/// <remarks><b>Threads:</b> shares the models' thread.</remarks>
/// <param name="models">Who speaks and listens.</param>
/// <param name="judge">How samples are judged.</param>
/// <param name="second">Listens as well, and judges nothing; null = nobody.</param>
/// <param name="world">Whose ranks share the texts; each gets the whole result. null = this process alone.</param>
public sealed class Evaluator(GrpoModels models, SampleJudge judge, SecondEar? second = null, IWorld? world = null)
{
    private readonly IWorld _world = world ?? Ranks.Alone;

    /// <summary>Speaks and judges every text.</summary>
    /// <param name="texts">The texts, encoded by the models with room for the options' response.</param>
    /// <param name="options">How they are spoken.</param>
    /// <param name="keepSound">Which samples' sound is kept, by text; null = none.</param>
    /// <param name="progress">Told how many texts are done, by one of several ranks those of its share; may be null.</param>
    /// <param name="spoken">Given each sample with its sound, by its index, before the sound is forgotten; may be null.</param>
    /// <param name="cancellation">Honoured within one token step.</param>
    public EvaluationResult Evaluate(
        IReadOnlyList<EncodedText> texts, EvaluationOptions options, Func<int, bool>? keepSound = null, Action<int>? progress = null,
        Action<int, SampleRecord>? spoken = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(options);
        PhaseTimer timer = new();
        List<SampleRecord> records = new(texts.Count * options.Samples);
        double audio = 0;
        SamplingSettings sampling = new()
        {
            Temperature = options.Temperature,
            TopK = options.TopK,
            TopP = options.TopP,
            MaxNewTokens = options.MaxNewTokens,
            Seed = Seeds.Evaluation(options.Seed),
        };
        var extras = judge.Extras | (keepSound is null && spoken is null && second is null ? 0 : RecognitionExtras.Sound)
            | (options.Prosody ? RecognitionExtras.Prosody : 0);
        models.Policy.Gather();
        var (begin, count) = _world.Share(texts.Count).GetOffsetAndLength(texts.Count);
        for (var first = begin; first < begin + count; first += options.BatchSize)
        {
            SpeakRequest request = new([.. texts.Skip(first).Take(Math.Min(options.BatchSize, begin + count - first))], options.Samples, sampling, (ulong)first * (ulong)options.Samples)
            {
                Slots = Math.Min(options.BatchSize * options.Samples, 128),
                Extras = extras,
            };
            using SpokenBatch batch = new(models.Policy, models.Recognition, request, timer, cancellation);
            batch.TakeTokens();
            batch.Sample();
            batch.ReadCodes();
            batch.Vocode();
            var recognised = batch.Recognise();
            var judged = batch.Judge(judge);
            audio += recognised.Where(h => h.Failure is null).Sum(h => h.Seconds);
            var heard = second is null ? null : timer.Measure("second_ear", () => second.Listen(batch.Texts, recognised, cancellation));
            foreach (var (record, i) in judged.Records().Select((record, i) => (record with { Second = heard?[i] }, i)))
            {
                spoken?.Invoke((begin * options.Samples) + records.Count, record);
                records.Add(keepSound?.Invoke(first + (i / options.Samples)) == true ? record : record with { Sound = null });
            }

            progress?.Invoke(first + request.Texts.Count);
        }

        (records, audio) = (_world.Gather(records), _world.Join([audio]).Sum());
        return new EvaluationResult(records, options.Samples, audio, timer.Total)
        {
            Second = second is null ? null : new SecondEarResult(second.Name, [.. records.Select(r => r.Second)]),
        };
    }
}
