namespace LlasaNative.Trainer.Works;

/// <summary>The options of <c>llasa bench</c> that name a single kind of work.</summary>
internal sealed class WorkArguments
{
    private readonly Option<bool> _decode = new("--decode") { Description = "Measure the policy's decoding instead: --batch (1) sequences, --prompt (2) and --tokens (32) each." };
    private readonly Option<bool> _prefill = new("--prefill") { Description = "Measure reading --batch (1) prompts of --prompt (512) tokens instead." };
    private readonly Option<bool> _train = new("--train") { Description = "Measure a training step of --batch (8) sequences of --tokens (512) instead; --set optimiser.recompute_mlp=true and the like say what it keeps." };
    private readonly Option<bool> _vocode = new("--vocode") { Description = "Measure the codec instead: --batch (1) clips of --tokens (500) codes." };
    private readonly Option<bool> _recognise = new("--recognise") { Description = "Measure the recogniser instead: --batch (1) windows of noise, transcripts of at most --tokens (64)." };
    private readonly Option<bool> _sample = new("--sample") { Description = "Measure drawing tokens instead: --batch (16) rows of --vocabulary logits." };
    private readonly Option<string> _tokenize = new("--tokenize") { Description = "Measure making tokens of this file's lines instead, with the policy's tokenizer." };
    private readonly Option<int?> _batch = new("--batch") { Description = "Sequences, clips or rows at the same time." };
    private readonly Option<int?> _prompt = new("--prompt") { Description = "Tokens of a prompt." };
    private readonly Option<int?> _tokens = new("--tokens") { Description = "Tokens of each sequence or transcript, or codes of each clip." };
    private readonly Option<int> _text = new("--text-tokens") { Description = "With --recognise: also the likelihood of a text of about so many tokens." };
    private readonly Option<int> _vocabulary = new("--vocabulary") { Description = "With --sample: columns.", DefaultValueFactory = _ => 193_800 };
    private readonly Option<int> _topK = new("--top-k") { Description = "With --sample: how many tokens stay; 0 = all.", DefaultValueFactory = _ => 50 };
    private readonly Option<double> _topP = new("--top-p") { Description = "With --sample: which probability stays.", DefaultValueFactory = _ => 0.9 };
    private readonly Option<int> _repeats = new("--repeats") { Description = "Repetitions that are timed, after one to warm up.", DefaultValueFactory = _ => 3 };

    public IEnumerable<Option> All =>
        [_decode, _prefill, _train, _vocode, _recognise, _sample, _tokenize, _batch, _prompt, _tokens, _text, _vocabulary, _topK, _topP, _repeats];

    /// <summary>The work that is named; null where none is. <paramref name="optimiser"/> is what <c>--train</c> trains with, but for its rate.</summary>
    public Func<ModelOptions, WorkResult>? Read(ParseResult parsed, OptimiserOptions optimiser)
    {
        WorkSettings settings = new()
        {
            Batch = AtLeastOne(parsed, _batch),
            Prompt = AtLeastOne(parsed, _prompt),
            Tokens = AtLeastOne(parsed, _tokens),
            Repeats = parsed.GetValue(_repeats) is >= 1 and var repeats ? repeats : throw new UsageException("--repeats must be at least 1"),
        };
        var works = new (bool Asked, Func<ModelOptions, WorkResult> Work)[]
        {
            (parsed.GetValue(_decode), m => PolicyWorks.Decode(m.Policy, m.PolicyType, settings)),
            (parsed.GetValue(_prefill), m => PolicyWorks.Prefill(m.Policy, m.PolicyType, settings)),
            (parsed.GetValue(_train), m => PolicyWorks.Train(m.Policy, m.PolicyType, settings, optimiser)),
            (parsed.GetValue(_vocode), m => SpeechWorks.Vocode(m.Codec, m.ScoringType, settings)),
            (parsed.GetValue(_recognise), m => SpeechWorks.Recognise(m.Recogniser, m.ScoringType, settings, parsed.GetValue(_text))),
            (parsed.GetValue(_sample), _ => TextWorks.Sample(settings, parsed.GetValue(_vocabulary), parsed.GetValue(_topK), parsed.GetValue(_topP))),
            (parsed.GetValue(_tokenize) is not null, m => TextWorks.Tokenize(m.Policy, parsed.GetValue(_tokenize)!, settings)),
        };
        var asked = works.Where(w => w.Asked).ToArray();
        return asked.Length <= 1
            ? asked.FirstOrDefault().Work
            : throw new UsageException("--decode, --prefill, --train, --vocode, --recognise, --sample and --tokenize are measured one at a time");
    }

    /// <summary>Measures, and writes a file named after the work.</summary>
    public static int Run(Func<ModelOptions, WorkResult> work, ModelOptions models, string directory)
    {
        var result = work(models);
        var (peaks, device) = (NativeDevice.MeasurePeaks(), NativeDevice.GetInfo());
        Console.WriteLine(result.ToText(peaks, device));
        var path = Path.Combine(directory, result.Name + ".json");
        AtomicFile.WriteBytes(path, result.ToJson(peaks, device));
        Console.WriteLine(path);
        return 0;
    }

    private static int? AtLeastOne(ParseResult parsed, Option<int?> option) =>
        parsed.GetValue(option) is < 1 and var value ? throw new UsageException($"{option.Name}: {value} is not at least 1") : parsed.GetValue(option);
}
