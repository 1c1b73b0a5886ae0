using System.CommandLine;
using System.Net;
using LlasaNative.Configuration;
using LlasaNative.Models;
using LlasaNative.Trainer.Serving;
using LlasaNative.Training;

namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa serve-reward</c>: codec and recogniser behind HTTP.</summary>
internal static class ServeRewardCommand
{
    /// <summary>Environment variable that holds the token when no file does.</summary>
    public const string TokenVariable = "LLASA_REWARD_TOKEN";

    public static Command Create()
    {
        ModelArguments models = new();
        ServerOptions defaults = new();
        Option<string> listen = new("--listen") { Description = "Address; any but a loopback one needs a token.", DefaultValueFactory = _ => "127.0.0.1" };
        Option<int> port = new("--port") { Description = "Port; 0 = one that is free.", DefaultValueFactory = _ => defaults.Port };
        Option<string> token = new("--token-file") { Description = $"File with the bearer token clients must present; default: the variable {TokenVariable}." };
        Option<int> maxBatch = new("--max-batch") { Description = "Most single samples scored together; 1 = no batching.", DefaultValueFactory = _ => defaults.MaxBatch };
        Option<double> maxWait = new("--max-wait-ms") { Description = "Longest a single sample waits for others.", DefaultValueFactory = _ => defaults.MaxWait.TotalMilliseconds };
        Option<int> queue = new("--queue") { Description = "Samples that may wait; more get 429.", DefaultValueFactory = _ => defaults.QueueCapacity };
        Option<int> maxSamples = new("--max-samples") { Description = "Most samples of one batch request.", DefaultValueFactory = _ => defaults.MaxSamples };
        Option<int> maxCodes = new("--max-codes") { Description = "Most codes of one sample.", DefaultValueFactory = _ => defaults.MaxCodes };
        Option<double> maxBody = new("--max-body-mb") { Description = "Largest body.", DefaultValueFactory = _ => defaults.MaxBodyBytes / 1048576.0 };
        Option<double> timeout = new("--timeout") { Description = "Seconds a request may take, waiting included.", DefaultValueFactory = _ => defaults.RequestTimeout.TotalSeconds };
        Option<double> drain = new("--drain") { Description = "Seconds for the requests at hand when told to stop.", DefaultValueFactory = _ => defaults.DrainTimeout.TotalSeconds };
        Option<string> config = new("--config") { Description = "YAML file whose section recogniser is used." };
        Option<string[]> set = new("--set") { Description = "key=value of that section; may be repeated." };
        Command command = new("serve-reward", "Serve codec and recogniser over HTTP: transcripts, NLL and all a reward is made of.");
        foreach (var option in new Option[]
        {
            models.Codec, models.Recogniser, models.ScoringType, listen, port, token, maxBatch, maxWait, queue, maxSamples, maxCodes, maxBody, timeout, drain, config, set,
        })
        {
            command.Options.Add(option);
        }

        return command.Does(parsed =>
        {
            var options = OptionTree.Build<GrpoOptions>(OptionAssignment.Read(parsed.GetValue(config), parsed.GetValue(set)));
            return Run(models.Read(parsed, options.Models), options.ToScoring(), new ServerOptions
            {
                Address = IPAddress.TryParse(parsed.GetValue(listen), out var address)
                    ? address
                    : throw new UsageException($"--listen: `{parsed.GetValue(listen)}` is not an IP address"),
                Port = parsed.GetValue(port),
                Token = ReadToken(parsed.GetValue(token)),
                MaxBatch = parsed.GetValue(maxBatch),
                MaxWait = Span(parsed.GetValue(maxWait) / 1000, "--max-wait-ms"),
                QueueCapacity = parsed.GetValue(queue),
                MaxSamples = parsed.GetValue(maxSamples),
                MaxCodes = parsed.GetValue(maxCodes),
                MaxBodyBytes = (long)(Math.Clamp(parsed.GetValue(maxBody), 0, 1e9) * 1048576),
                RequestTimeout = Span(parsed.GetValue(timeout), "--timeout"),
                DrainTimeout = Span(parsed.GetValue(drain), "--drain"),
            });
        });
    }

    /// <summary>The token of a file, or else of the environment; null when there is none.</summary>
    public static string? ReadToken(string? file)
    {
        if (file is null)
        {
            return Environment.GetEnvironmentVariable(TokenVariable) is { Length: > 0 } value ? value : null;
        }

        try
        {
            return File.ReadAllText(file).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"--token-file: {e.Message}", e);
        }
    }

    private static TimeSpan Span(double seconds, string option) => seconds is >= 0 and <= 1e6
        ? TimeSpan.FromSeconds(seconds)
        : throw new UsageException($"{option}: out of range");

    private static int Run(ModelOptions models, ScoringOptions scoring, ServerOptions options) => RunAsync(models, scoring, options).GetAwaiter().GetResult();

    private static async Task<int> RunAsync(ModelOptions models, ScoringOptions scoring, ServerOptions options)
    {
        using StopSignal stop = new(atOnce: true);
        await using var server = await RewardServer.StartAsync(models, scoring, options);
        await Console.Error.WriteLineAsync($"listening on {server.Url.GetLeftPart(UriPartial.Authority)} ({server.Health.Model})");
        try
        {
            await Task.Delay(Timeout.Infinite, stop.Abort);
        }
        catch (OperationCanceledException)
        {
            await Console.Error.WriteLineAsync("finishing the requests at hand");
        }

        if (await server.StopAsync())
        {
            await Console.Error.WriteLineAsync("stopped");
            return 0;
        }

        await Console.Error.WriteLineAsync($"llasa: requests were cut off after {options.DrainTimeout.TotalSeconds:0.###} s of draining");
        return LlasaException.FailureExitCode;
    }
}
