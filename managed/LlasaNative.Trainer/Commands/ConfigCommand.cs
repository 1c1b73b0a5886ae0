using System.CommandLine;
using LlasaNative.Training;

namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa config</c>: the commented reference file.</summary>
internal static class ConfigCommand
{
    public const string Head = "Every key of `llasa train`, with its default. Made by `llasa config`; a test keeps it so.\n"
        + "Values come from here, then from flags such as --steps, then from --set key=value.";

    public static Command Create()
    {
        Command command = new("config", "Print the commented reference configuration.");
        command.SetAction(_ =>
        {
            Console.Write(GrpoOptions.Table.WriteReference(Head));
            return 0;
        });
        return command;
    }
}
