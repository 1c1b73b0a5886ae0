namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa dashboard</c>: curves and samples of runs, live in a browser or as one file.</summary>
internal static class DashboardCommand
{
    public static Command Create()
    {
        Argument<string[]> runs = new("runs") { Description = "Directories of runs, or directories that hold runs.", Arity = ArgumentArity.OneOrMore };
        Option<int> port = new("--port") { Description = "Port on this machine's loopback interface; 0 = a free one.", DefaultValueFactory = _ => 6060 };
        Option<string> export = new("--export") { Description = "Write the page as one self-contained HTML file instead of serving it." };
        Option<int> sounds = new("--sounds") { Description = "Most sounds of each run in the exported file; about 70 kB each.", DefaultValueFactory = _ => 60 };
        Command command = new("dashboard", "Look at runs and listen to their samples, live or as one HTML file.");
        command.Takes([runs, port, export, sounds]);
        return command.Does(parsed =>
        {
            var folders = RunFolder.Find(parsed.GetValue(runs)!);
            return parsed.GetValue(export) is { Length: > 0 } file
                ? Export(folders, file, parsed.GetValue(sounds))
                : Serve(folders, parsed.GetValue(port));
        });
    }

    private static int Export(IReadOnlyList<RunFolder> runs, string file, int sounds)
    {
        if (sounds < 0)
        {
            throw new UsageException("--sounds must be at least 0");
        }

        AtomicFile.Write(file, path =>
        {
            using StreamWriter output = new(path) { NewLine = "\n" };
            DashboardPage.Write(output, runs, sounds, TimeProvider.System.GetUtcNow());
        });
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{file}  {new FileInfo(file).Length / 1e6:F1} MB"));
        return 0;
    }

    private static int Serve(IReadOnlyList<RunFolder> runs, int port)
    {
        using StopSignal stop = new(atOnce: true);
        using var server = DashboardServer.Start(runs, port);
        Console.WriteLine($"{server.Address}  {string.Join(", ", runs.Select(r => r.Name))}; Ctrl-C ends it");
        stop.Abort.WaitHandle.WaitOne();
        return 0;
    }
}
