using System.CommandLine;
using LlasaNative.Configuration;
using LlasaNative.Training;

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

    public static Command Create()
    {
        Option<bool> markdown = new("--markdown") { Description = "As the tables of docs/options.md." };
        Command command = new("config", "Print the commented reference configuration.");
        command.Options.Add(markdown);
        command.SetAction(parsed =>
        {
            Console.Write(parsed.GetValue(markdown) ? $"{MarkdownHead}{OptionDocument.ToMarkdown(new GrpoOptions())}" : OptionDocument.ToYaml(new GrpoOptions(), Head));
            return 0;
        });
        return command;
    }
}
