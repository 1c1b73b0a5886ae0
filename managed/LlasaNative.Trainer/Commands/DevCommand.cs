using LlasaNative.RandomCheckpoints;

namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa dev</c>: what helps to develop and to measure, and no training needs.</summary>
internal static class DevCommand
{
    public static Command Create()
    {
        Command command = new("dev", "Help with developing and measuring.");
        command.Takes([RandomCheckpointCommand()]);
        return command;
    }

    private static Command RandomCheckpointCommand()
    {
        Argument<string> kind = new("kind") { Description = "policy, codec or recogniser." };
        Argument<string> directory = new("directory") { Description = "Directory to write; empty or not there yet." };
        Option<string> like = new("--like")
        {
            Description = "Whose sizes: " + string.Join("; ", Enum.GetValues<ModelKind>().Select(k => $"{OptionNames.Of(k)}: {string.Join(", ", PublicShapes.Names(k))}"))
                + "; or the path of a config.json. Default: the first of its kind.",
        };
        Option<ulong> seed = new("--seed") { Description = "Decides the values.", DefaultValueFactory = _ => 1 };
        Option<string> type = new("--dtype") { Description = "Element type: f32, f16 or bf16.", DefaultValueFactory = _ => "bf16" };
        Option<double> shard = new("--shard-gb") { Description = "Most GB of a weights file; 0 = one file." };
        Option<bool> sizes = new("--sizes-only") { Description = "Write config and tokenizer and no weights: all that `llasa inspect --memory` reads." };
        Command command = new("random-checkpoint", "Write a Hugging Face directory with random weights of true shapes.");
        command.Takes([kind, directory, like, seed, type, shard, sizes]);
        return command.Does(parsed =>
        {
            var model = CommandLine.Parse<ModelKind>("kind", parsed.GetValue(kind)!);
            return Run(parsed.GetValue(directory)!, new RandomCheckpointOptions
            {
                Kind = model,
                Like = parsed.GetValue(like) ?? PublicShapes.Names(model)[0],
                Seed = parsed.GetValue(seed),
                Type = parsed.GetValue(type) switch
                {
                    "f32" => TensorType.F32,
                    "f16" => TensorType.F16,
                    "bf16" => TensorType.BF16,
                    var other => throw new UsageException($"--dtype: `{other}` is not one of f32, f16, bf16"),
                },
                HasWeights = !parsed.GetValue(sizes),
                ShardBytes = parsed.GetValue(shard) is var gb && gb is >= 0 and <= 1e6
                    ? (long)(gb * 1e9)
                    : throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--shard-gb: {gb} is not 0 to 1000000")),
            });
        });
    }

    private static int Run(string directory, RandomCheckpointOptions options)
    {
        var tensors = RandomCheckpoint.Write(directory, options);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{directory}  {tensors.Sum(t => t.ElementCount):N0} parameters, {(options.HasWeights ? tensors.Sum(t => t.ByteLength) : 0) / 1e9:F2} GB of weights"));
        return 0;
    }
}
