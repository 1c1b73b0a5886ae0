namespace LlasaNative.Trainer.Commands;

/// <summary>How speech is drawn and judged outside of training.</summary>
internal sealed class SpeakingArguments
{
    public Option<int> Samples { get; } = new("--samples") { Description = "Samples per text.", DefaultValueFactory = _ => 1 };

    public Option<double> Temperature { get; } = new("--temperature") { Description = "Softmax temperature; 0 = greedy.", DefaultValueFactory = _ => 0.8 };

    public Option<bool> Greedy { get; } = new("--greedy") { Description = "Always the most probable token: --temperature 0." };

    public Option<double> TopP { get; } = new("--top-p") { Description = "Draw from the smallest set of tokens with this much probability.", DefaultValueFactory = _ => 0.9 };

    public Option<int> TopK { get; } = new("--top-k") { Description = "Draw from the k most probable tokens; 0 = all." };

    public Option<int> MaxNewTokens { get; } = new("--max-new-tokens") { Description = "Longest response in tokens.", DefaultValueFactory = _ => 160 };

    public Option<int> BatchSize { get; } = new("--batch-size") { Description = "Texts spoken at once; no result depends on it.", DefaultValueFactory = _ => 32 };

    public Option<long> Seed { get; } = new("--seed") { Description = "Seed of the samples.", DefaultValueFactory = _ => 1 };

    public Option<string> Config { get; } = new("--config") { Description = "YAML file whose sections prompt, recogniser and reward are used, and evaluation.recogniser." };

    public Option<string[]> Set { get; } = new("--set") { Description = "key=value of those sections; may be repeated." };

    public IEnumerable<Option> All => [Samples, Temperature, Greedy, TopP, TopK, MaxNewTokens, BatchSize, Seed, Config, Set];

    public EvaluationOptions Read(ParseResult parsed, int minimumSamples)
    {
        EvaluationOptions options = new()
        {
            Samples = parsed.GetValue(Samples),
            Temperature = parsed.GetValue(Greedy) ? 0 : parsed.GetValue(Temperature),
            TopP = parsed.GetValue(TopP),
            TopK = parsed.GetValue(TopK),
            MaxNewTokens = parsed.GetValue(MaxNewTokens),
            BatchSize = parsed.GetValue(BatchSize),
            Seed = parsed.GetValue(Seed),
        };
        List<string> faults = [];
        Check(options.Samples >= minimumSamples, $"--samples must be at least {minimumSamples}");
        Check(options.Temperature >= 0 && double.IsFinite(options.Temperature), "--temperature must be at least 0");
        Check(options.TopP is > 0 and <= 1, "--top-p must be more than 0 and at most 1");
        Check(options.TopK >= 0, "--top-k must be at least 0");
        Check(options.MaxNewTokens >= 1, "--max-new-tokens must be at least 1");
        Check(options.BatchSize >= 1, "--batch-size must be at least 1");
        Check(options.Seed >= 0, "--seed must be at least 0");
        return faults.Count == 0 ? options : throw new UsageException(string.Join("; ", faults));

        void Check(bool isFine, string fault)
        {
            if (!isFine)
            {
                faults.Add(fault);
            }
        }
    }

    /// <summary>The sections prompt, recogniser and reward.</summary>
    public GrpoOptions Judging(ParseResult parsed) => OptionTree.Build<GrpoOptions>(OptionAssignment.Read(parsed.GetValue(Config), parsed.GetValue(Set)));
}
