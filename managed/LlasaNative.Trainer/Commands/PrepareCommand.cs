namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa prepare</c>: a data set in verl's schema from texts.</summary>
internal static class PrepareCommand
{
    public static Command Create()
    {
        Argument<string[]> sources = new("source") { Description = "Files (.txt, .jsonl, .csv, .parquet), directories of such files, or hf://datasets/OWNER/NAME[/PATH] and hdfs:// places.", Arity = ArgumentArity.ZeroOrMore };
        Option<string> output = new("--output", "-o") { Description = "Directory for train.parquet and test.parquet; also hdfs://HOST/PATH or hf://datasets/OWNER/NAME[/PATH].", Required = true };
        Option<bool> dummy = new("--dummy") { Description = "Write a small sample set: five training and two test sentences." };
        Option<double> ratio = new("--test-ratio") { Description = "Share of rows for the test set.", DefaultValueFactory = _ => 0.1 };
        Option<ulong> seed = new("--seed") { Description = "Chooses the test rows." };
        Option<string> column = new("--text-column") { Description = "Field that holds the text.", DefaultValueFactory = _ => "text" };
        Option<string> name = new("--data-source") { Description = "Name of the source in every row.", DefaultValueFactory = _ => "llasa-native" };
        Option<bool> duplicates = new("--keep-duplicates") { Description = "Keep texts that occur more than once." };
        Option<int?> longest = new("--max-length") { Description = "Drop longer prompts: tokens with --policy, characters without." };
        Option<string?> policy = new("--policy") { Description = "Model directory whose tokenizer and prompt measure the length." };
        Option<bool> skip = new("--skip-malformed") { Description = "Drop entries that cannot be read, with a line each, instead of stopping." };
        Option<bool> create = new("--create") { Description = "Make the data set on the Hub when it does not exist." };
        Option<bool> isPrivate = new("--private") { Description = "Make it private; with --create." };
        Command command = new("prepare", "Make train.parquet and test.parquet from texts.");
        command.Takes([sources, output, dummy, ratio, seed, column, name, duplicates, longest, policy, skip, create, isPrivate]);
        return command.Does(parsed =>
        {
            PreparationOptions options = new()
            {
                DataSource = parsed.GetValue(name)!,
                TextColumn = parsed.GetValue(column)!,
                TestRatio = parsed.GetValue(ratio),
                Seed = parsed.GetValue(seed),
                Deduplicate = !parsed.GetValue(duplicates),
                MaxLength = parsed.GetValue(longest),
                SkipMalformed = parsed.GetValue(skip),
                OnMalformed = fault => Console.Error.WriteLine($"llasa: dropped: {fault.Message}"),
            };
            var made = parsed.GetValue(create) ? parsed.GetValue(isPrivate) : (bool?)null;
            return Run(parsed.GetValue(sources) ?? [], parsed.GetValue(output)!, made, parsed.GetValue(dummy), parsed.GetValue(policy), options);
        });
    }

    private static int Run(string[] sources, string output, bool? create, bool dummy, string? policy, PreparationOptions options)
    {
        if (dummy && sources.Length > 0)
        {
            throw new UsageException("--dummy takes no sources");
        }

        if (policy is not null)
        {
            using var model = HuggingFaceDirectory.Open(Places.Model(policy));
            var prompt = LlasaPrompt.Create(ByteLevelBpe.FromDirectory(model.Path));
            options = options with { Length = row => prompt.Encode(row.Text).Length };
        }

        using StopSignal stop = new(atOnce: true);
        using RemoteData remote = new(Places.Note);
        var isRemote = RemoteData.IsRemote(output);
        if (isRemote)
        {
            RemoteData.RequireDestination(output);
        }

        var directory = isRemote ? remote.CreateDirectory() : output;
        var summary = dummy
            ? DatasetPreparation.WriteDummy(directory, options)
            : DatasetPreparation.Prepare([.. sources.Select(source => Source(remote, source, stop.Abort))], directory, options, stop.Abort);
        var place = isRemote ? remote.Publish(directory, output, create, stop.Abort) : output;
        Console.Write(summary.ToTable());
        Console.WriteLine($"written to {place}");
        return 0;
    }
    /// <summary>The path of a source; of a directory it is said which files it is.</summary>
    private static string Source(RemoteData remote, string place, CancellationToken cancellation)
    {
        var path = remote.Fetch(place, DataSplit.All, cancellation);
        var files = DataFiles.Find(path);
        if (!files.IsSingle)
        {
            Places.Note(files.Describe());
        }

        return path;
    }
}
