using System.Runtime.InteropServices;

namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa logits</c>: what a policy computes, for comparing it with another implementation.</summary>
internal static class LogitsCommand
{
    public static Command Create()
    {
        ModelArguments models = new();
        Argument<string[]> texts = new("text") { Description = "Texts; each is spoken greedily and prompt and response are one sequence.", Arity = ArgumentArity.OneOrMore };
        Option<string> output = new("--out") { Description = "File: `seqN.input_ids` and `seqN.logits`, row t predicts token t + 1.", DefaultValueFactory = _ => "logits.safetensors" };
        Option<int> length = new("--max-new-tokens") { Description = "Longest response in tokens.", DefaultValueFactory = _ => 64 };
        Command command = new("logits", "Write a policy's logits, for tests/oracle/check_checkpoint.py or other comparisons.");
        command.Takes([texts, output, length, models.Policy]);
        return command.Does(parsed => Run(parsed.GetValue(texts)!, parsed.GetValue(output)!, parsed.GetValue(length), models.Read(parsed).Policy));
    }

    private static int Run(string[] texts, string output, int maxNewTokens, string path)
    {
        using var policy = PolicyModel.Load(path);
        using StopSignal stop = new(atOnce: true);
        int[][] prompts = [.. texts.Select(text => policy.EncodePrompt(text, maxNewTokens))];
        SamplingSettings greedy = new() { Temperature = 0, MaxNewTokens = maxNewTokens };
        var samples = policy.Sample(
            new SampleRequest(prompts, 1, greedy, [.. Enumerable.Range(0, texts.Length).Select(i => (ulong)i)]) { Slots = texts.Length }, stop.Abort);
        int[][] sequences = [.. prompts.Select((prompt, i) => (int[])[.. prompt, .. samples[i].Tokens.Span])];
        var vocabulary = policy.Config.VocabularySize;
        var tensors = sequences.SelectMany((ids, i) => new[]
        {
            new TensorInfo(Name(i, "input_ids"), TensorType.I64, ids.Length),
            new TensorInfo(Name(i, "logits"), TensorType.F32, ids.Length, vocabulary),
        });
        AtomicFile.Write(output, temporary =>
        {
            using SafeTensorsWriter writer = new(temporary, tensors);
            for (var i = 0; i < sequences.Length; i++)
            {
                var logits = new float[(long)sequences[i].Length * vocabulary];
                policy.Native.Logits(sequences[i], logits);
                writer.WriteBytes(Name(i, "input_ids"), MemoryMarshal.AsBytes<long>(sequences[i].Select(id => (long)id).ToArray()));
                writer.Write(Name(i, "logits"), logits);
            }

            writer.Complete();
        });
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{output}  {sequences.Length} sequences, {sequences.Sum(s => s.Length)} tokens"));
        return 0;
    }

    private static string Name(int sequence, string field) => string.Create(CultureInfo.InvariantCulture, $"seq{sequence}.{field}");
}
