using LlasaNative.Reporting.Publishing;

namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa report</c>: runs and their evaluations as one page and one file of numbers.</summary>
internal static class ReportCommand
{
    public static Command Create()
    {
        Argument<string[]> runs = new("runs") { Description = "Directories of runs with an evaluation each (RUN/evaluation, of `llasa eval --out`), or of evaluations; the first is what the others are compared with.", Arity = ArgumentArity.OneOrMore };
        Option<string> output = new("--out") { Description = "Directory of the page and the numbers.", DefaultValueFactory = _ => Path.Combine("artifacts", "report") };
        Option<string?> names = new("--names") { Description = "What they are called, separated by commas; default: their directories' names." };
        Option<long> seed = new("--seed") { Description = "Of the bootstrap's resamples.", DefaultValueFactory = _ => 1 };
        Option<string[]> ratings = new("--ratings") { Description = "Directory of `llasa rate`: adds Elo numbers of its policies and how far its raters agree; may be repeated." };
        Command command = new("report", "Bring runs and their evaluations together: errors by both ears, pitch, pace, diversity, costs, settings, with paired intervals.");
        command.Takes([runs, output, names, seed, ratings]);
        return command.Does(parsed =>
        {
            var paths = parsed.GetValue(runs)!;
            var called = parsed.GetValue(names)?.Split(',', StringSplitOptions.TrimEntries);
            if (called is not null && called.Length != paths.Length)
            {
                throw new UsageException($"--names: {called.Length} names of {paths.Length} directories");
            }

            var line = $"llasa report {string.Join(' ', paths)} --seed {parsed.GetValue(seed)}" + (called is null ? "" : $" --names {string.Join(',', called)}") + string.Concat(parsed.GetValue(ratings)!.Select(folder => $" --ratings {folder}"));
            var report = RunReport.Make(paths, called, line, Seeds.Bootstrap(parsed.GetValue(seed)), ratings: [.. parsed.GetValue(ratings)!.Select(folder => (folder, RateCommand.Summarise(folder, parsed.GetValue(seed))))]);
            var folder = parsed.GetValue(output)!;
            AtomicFile.WriteText(Path.Combine(folder, "index.html"), RunReportPage.ToHtml(report));
            AtomicFile.WriteBytes(Path.Combine(folder, "report.json"), RunReportPage.ToJson(report));
            Console.WriteLine(Path.Combine(folder, "index.html"));
            return 0;
        });
    }
}
