namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa config</c>: the commented reference file.</summary>
internal static class ConfigCommand
{
    public const string Head = "Every key of `llasa train`, with its default. Made by `llasa config`; a test keeps it so.\n"
        + "Values come from here, then from flags such as --steps, then from --set key=value.";

    public const string MarkdownHead = """
        # Options

        Every key of `llasa train`. It stands in the section of a YAML file that its first part names, or behind `--set`. ↻: it may change when a run is
        resumed (of `run.steps` while the learning rate is constant). `in verl` says what verl calls it. Made by `llasa config --markdown`; a test keeps it so.

        """;

    // What other commands read, by their names; `llasa config` alone prints that of train.
    private static readonly Dictionary<string, object> Others = new() { ["sft"] = new SftOptions(), ["dpo"] = new DpoOptions() };

    public static Command Create()
    {
        Option<bool> markdown = new("--markdown") { Description = "As the tables of docs/options.md." };
        Option<string> of = new("--of") { Description = "Which command's: train, sft or dpo.", DefaultValueFactory = _ => "train" };
        of.AcceptOnlyFromAmong(["train", .. Others.Keys]);
        Command command = new("config", "Print the commented reference configuration.");
        command.Takes([markdown, of]);
        command.SetAction(parsed =>
        {
            var name = parsed.GetValue(of)!;
            var options = Others.GetValueOrDefault(name) ?? new GrpoOptions();
            Console.Write(parsed.GetValue(markdown) ? $"{MarkdownHead.Replace("llasa train", $"llasa {name}", StringComparison.Ordinal)}{OptionDocument.ToMarkdown(options)}"
                : OptionDocument.ToYaml(options, Head.Replace("llasa train", $"llasa {name}", StringComparison.Ordinal)));
            return 0;
        });
        return command;
    }
}
