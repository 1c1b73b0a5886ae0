namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa inspect --memory</c>: what training takes, with and without recomputed layers.</summary>
internal static class MemoryTable
{
    /// <summary>The run that is asked about: of its models only those named.</summary>
    public static GrpoOptions Options(string policy, string? codec, string? recogniser, string? second, string? config, string[] set)
    {
        var options = OptionTree.Build<GrpoOptions>(OptionAssignment.Read(config, set));
        return options with
        {
            Models = options.Models with
            {
                Policy = Places.Model(policy),
                Codec = codec is null ? "" : Places.Model(codec),
                Recogniser = recogniser is null ? "" : Places.Model(recogniser),
            },
            Evaluation = options.Evaluation with { Recogniser = Places.Model(second ?? options.Evaluation.Recogniser) },
        };
    }

    /// <summary>A number of ranks, if it is one.</summary>
    public static int Checked(int ranks) => ranks >= 1 ? ranks : throw new UsageException($"--ranks: {ranks}, expected at least 1");

    /// <summary>Prints the plans.</summary>
    public static int Run(GrpoOptions options, int ranks, bool forGpu)
    {
        ranks = Checked(ranks);
        MemoryPlan[] plans = [.. new[] { Recompute.False, Recompute.Mlp, Recompute.True }.Select(again =>
            MemoryPlanner.Plan(options with { Optimiser = options.Optimiser with { Recompute = again } }, ranks, forGpu))];
        var (unit, name) = plans[0].PeakBytes >= 1_000_000_000 ? (1e9, "GB") : (1e6, "MB");
        Console.WriteLine($"{"stage",-11} {"what",-40} {name,10} {"MLP again",11} {"recomputed",11}");
        foreach (var stage in plans.SelectMany(p => p.Items).Select(i => i.Stage).Distinct())
        {
            string[] things = [.. plans.SelectMany(p => p.Items).Where(i => i.Stage == stage).Select(i => i.What).Distinct()];
            var rows = things.Select(what => (What: what, Bytes: Bytes(i => i.Stage == stage && i.What == what))).ToList();
            foreach (var (what, bytes) in rows.Where(r => IsLarge(r.Bytes)))
            {
                Line(stage, what, bytes, IsOnHost(stage, what));
            }

            // Of a phase all together: what is largest is what the phases' memory must hold.
            if (stage != NativeMemoryItem.Phases && Bytes(i => i.Stage == stage && i.InTurn) is var turn && turn.Max() > 0)
            {
                Line(stage, "by turns with other phases, all in all", turn);
            }

            if (rows.Any(r => !IsLarge(r.Bytes)))
            {
                Line(stage, "smaller things", Bytes(i => i.Stage == stage && !IsLarge(Bytes(j => j.Stage == stage && j.What == i.What))));
            }
        }

        Line("", "kept from phase to phase", Bytes(i => !i.OnHost && !i.InTurn && i.Stage != NativeMemoryItem.Phases));
        Line("", "what phases share", Bytes(i => i.Stage == NativeMemoryItem.Phases));
        Line("", "all of the device, at most at one time", [.. plans.Select(p => p.PeakBytes)]);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"prompts of up to {MemoryPlanner.PromptTokens(options)} and responses of {options.Rollout.MaxNewTokens} tokens, {options.Rollout.PromptsPerStep} x {options.Rollout.SamplesPerPrompt} samples, {options.Rollout.Slots} slots, micro-batches of {options.Optimiser.MicroBatchTokens} tokens; planned by the {NativeDevice.GetInfo().Backend} backend{(forGpu ? " for a GPU" : "")}"));
        var others = new[] { options.Models.Recogniser, options.Evaluation.Recogniser }.Any(RecogniserEngines.IsGgml) ? ", and what Whisper.net takes for a ggml file" : "";
        Console.WriteLine($"not in it: what the driver and its libraries keep for themselves{others}");
        return 0;

        bool IsOnHost(string stage, string what) => plans[0].Items.Any(i => i.Stage == stage && i.What == what && i.OnHost);

        long[] Bytes(Func<NativeMemoryItem, bool> chosen) => [.. plans.Select(p => p.Items.Where(chosen).Sum(i => i.Bytes))];

        bool IsLarge(long[] bytes) => bytes.Max() >= plans[0].PeakBytes / 1000;

        void Line(string stage, string what, long[] bytes, bool onHost = false) => Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{stage,-11} {what,-40} {bytes[0] / unit,10:F3} {bytes[1] / unit,11:F3} {bytes[2] / unit,11:F3}{(onHost ? "  the host's memory" : "")}"));
    }
}
