using LlasaNative.Trainer.Costs;

namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa inspect --cost</c>: what a step makes a GPU do, and how long that would take.</summary>
internal static class CostTable
{
    public static int Run(GrpoOptions options, string device, double? response, bool shapes, int ranks)
    {
        ranks = MemoryTable.Checked(ranks);
        var roofs = DeviceRoofs.Of(device);
        var policy = MemoryPlanner.ReadPolicy(options.Models.Policy);
        var speech = options.Rollout.SpeechOnly && ByteLevelBpe.IsIn(options.Models.Policy) ? LlasaPrompt.Create(ByteLevelBpe.FromDirectory(options.Models.Policy), options.Prompt).Speech : null;
        var codec = options.Models.Codec.Length > 0 ? MemoryPlanner.ReadCodec(options.Models.Codec) : null;
        var whisper = options.Models.Recogniser.Length > 0 ? WhisperConfig.FromFile(Path.Combine(options.Models.Recogniser, "config.json")) : null;
        if (response is not null and not > 0)
        {
            throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--response-tokens: {response} is not more than 0"));
        }

        var lengths = Guess(options, response ?? (options.Rollout.MaxNewTokens / 2.0));
        StepAccount account = new(options, policy, speech is null ? policy.VocabularySize : speech.Count + 1, codec, whisper, lengths);
        Print(account, roofs);
        if (shapes)
        {
            PrintShapes(account, roofs);
        }

        if (ranks > 1)
        {
            var traffic = account.Traffic(ranks);
            Say($"each of {ranks} ranks sends {traffic.Gradients / 1e9:F3} GB of gradients and {traffic.Weights / 1e9:F3} GB of weights a step, and receives as much: {traffic.SecondsAt100GbPerS:F3} s at 100 Gb/s; all else is of the ranks together");
        }

        Say($"{options.Rollout.PromptsPerStep} x {options.Rollout.SamplesPerPrompt} samples of {lengths.Response:F0} tokens on average, prompts of {lengths.Prompt:F0}, texts of {lengths.Text:F0}; {roofs.Name}: {roofs.Bf16Tflops:F0} Tflop/s in bf16, {roofs.F32Tflops:F1} in f32, {roofs.MemoryGbPerS:F0} GB/s");
        Say($"roof: at those rates; predicted: at {roofs.ProductShare:P0} and {roofs.MemoryShare:P0} of them, {roofs.KernelMicroseconds} us a launch on the device or {roofs.CallMicroseconds} us a call of the host, whichever takes longer, and {roofs.WaitMicroseconds} us a wait. A calculation, not a measurement");
        return 0;
    }

    /// <summary>Four tokens of text a second of sound, and prompts of 128 tokens.</summary>
    private static StepLengths Guess(GrpoOptions options, double response) =>
        new(Math.Min(128, MemoryPlanner.PromptTokens(options)), response, Math.Ceiling(4 * response / 50));

    private static void Print(StepAccount account, DeviceRoofs roofs)
    {
        Console.WriteLine($"{"phase",-18} {"Tflop",9} {"attention",9} {"GB",9} {"launches",10} {"calls",9} {"uploads",8} {"waits",7} {"roof s",8} {"predicted s",11}");
        foreach (var phase in account.Phases)
        {
            Line(phase.Name, [phase]);
        }

        Line("step", [.. account.Phases]);

        void Line(string name, CostPhase[] of) => Say(
            $"{name,-18} {of.Sum(p => p.ProductFlops) / 1e12,9:F2} {of.Sum(p => p.AttentionFlops) / 1e12,9:F2} {of.Sum(p => p.AllBytes) / 1e9,9:F1} {of.Sum(p => p.Pieces.Launches),10:F0} {of.Sum(p => p.Pieces.Calls),9:F0} {of.Sum(p => p.Pieces.Uploads),8:F0} {of.Sum(p => p.Pieces.Waits),7:F0} {of.Sum(p => p.Roof(roofs)),8:F3} {of.Sum(p => p.Predicted(roofs)),11:F3}");
    }

    private static void PrintShapes(StepAccount account, DeviceRoofs roofs)
    {
        Console.WriteLine();
        Console.WriteLine($"{"phase",-18} {"product",-46} {"M",7} {"N",7} {"K",7} {"times",9} {"Tflop",9} {"roof s",8}");
        foreach (var phase in account.Phases)
        {
            foreach (var p in phase.Products)
            {
                Say($"{phase.Name,-18} {p.What,-46} {p.Rows,7:F0} {p.Columns,7:F0} {p.Inner,7:F0} {p.Times,9:F0} {p.Flops / 1e12,9:F3} {p.Seconds(roofs, reached: false),8:F4}");
            }
        }

        Console.WriteLine();
    }

    private static void Say(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
