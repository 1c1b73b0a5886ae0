namespace LlasaNative.Trainer;

/// <summary><c>--config</c>, <c>--set</c> and the flags that stand for a key of the configuration.</summary>
internal sealed class ConfigurationArguments(params (string Flag, string Description, string Key)[] more)
{
    private readonly (Option<string> Option, string Key)[] _flags =
    [
        (new("--policy") { Description = "Directory of the Llama policy (models.policy)." }, "models.policy"),
        (new("--codec") { Description = "Directory of the X-Codec2 codec (models.codec)." }, "models.codec"),
        (new("--recogniser") { Description = "Directory of the Whisper recogniser (models.recogniser)." }, "models.recogniser"),
        (new("--data") { Description = "Training data (data.train)." }, "data.train"),
        (new("--out") { Description = "Directory of the run (run.out)." }, "run.out"),
        (new("--steps") { Description = "Optimiser steps (run.steps)." }, "run.steps"),
        (new("--seed") { Description = "Seed of the run (run.seed)." }, "run.seed"),
        (new("--engine") { Description = "What trains the policy: native, or torch where it is installed (trainer.engine)." }, "trainer.engine"),
        .. more.Select(m => (new Option<string>(m.Flag) { Description = m.Description }, m.Key)),
    ];

    public Option<string> Config { get; } = new("--config") { Description = "YAML file; see configs/reference.yaml." };

    public Option<string[]> Set { get; } = new("--set") { Description = "key=value, over everything else; may be repeated." };

    public Option<string> Resume { get; } = new("--resume")
    {
        Description = "auto (continue where run.out stopped), never, or a checkpoint directory.", DefaultValueFactory = _ => "auto",
    };

    public Option<int?> Dashboard { get; } = new("--dashboard")
    {
        Description = "Show the run in a browser: port on this machine's loopback interface, 0 = a free one.",
    };

    public IEnumerable<Option> All => [Config, Set, Resume, Dashboard, .. _flags.Select(f => f.Option)];

    /// <summary>Assignments in order of precedence: file, flags, --set.</summary>
    public IReadOnlyList<OptionAssignment> Read(ParseResult parsed) =>
    [
        .. OptionAssignment.Read(parsed.GetValue(Config), null),
        .. from flag in _flags let value = parsed.GetValue(flag.Option) where value is not null select new OptionAssignment(flag.Key, value, flag.Option.Name),
        .. OptionAssignment.Read(null, parsed.GetValue(Set)),
    ];
}
