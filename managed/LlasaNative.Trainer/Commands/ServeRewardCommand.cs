namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa serve-reward</c>: codec and recogniser behind HTTP.</summary>
internal static class ServeRewardCommand
{
    public static Command Create()
    {
        ModelArguments models = new();
        ServerOptions defaults = new();
        HttpArguments http = new(defaults);
        Option<int> maxBatch = new("--max-batch") { Description = "Most single samples scored together; 1 = no batching.", DefaultValueFactory = _ => defaults.MaxBatch };
        Option<double> maxWait = new("--max-wait-ms") { Description = "Longest a single sample waits for others.", DefaultValueFactory = _ => defaults.MaxWait.TotalMilliseconds };
        Option<int> queue = new("--queue") { Description = "Samples that may wait; more get 429.", DefaultValueFactory = _ => defaults.QueueCapacity };
        Option<int> maxSamples = new("--max-samples") { Description = "Most samples of one batch request.", DefaultValueFactory = _ => defaults.MaxSamples };
        Option<int> maxCodes = new("--max-codes") { Description = "Most codes of one sample.", DefaultValueFactory = _ => defaults.MaxCodes };
        Option<string> config = new("--config") { Description = "YAML file whose section recogniser is used." };
        Option<string[]> set = new("--set") { Description = "key=value of that section; may be repeated." };
        Command command = new("serve-reward", "Serve codec and recogniser over HTTP: transcripts, NLL and all a reward is made of.");
        command.Takes([models.Codec, models.Recogniser, models.ScoringType, maxBatch, maxWait, queue, maxSamples, maxCodes, config, set,
            .. http.All]);
        return command.Does(parsed =>
        {
            var options = OptionTree.Build<GrpoOptions>(OptionAssignment.Read(parsed.GetValue(config), parsed.GetValue(set)));
            return Run(models.Read(parsed, options.Models), options.ToScoring(), http.Read(parsed, new ServerOptions
            {
                MaxBatch = parsed.GetValue(maxBatch),
                MaxWait = HttpArguments.Span(parsed.GetValue(maxWait) / 1000, "--max-wait-ms"),
                QueueCapacity = parsed.GetValue(queue),
                MaxSamples = parsed.GetValue(maxSamples),
                MaxCodes = parsed.GetValue(maxCodes),
            }));
        });
    }

    private static int Run(ModelOptions models, ScoringOptions scoring, ServerOptions options) => HttpArguments.Serve(
        () => RewardServer.StartAsync(models, scoring, options), server => (server.Url, server.Health.Model), server => server.StopAsync(), options);
}
