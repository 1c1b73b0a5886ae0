namespace LlasaNative.Training;

/// <summary>A low-rank adapter in place of all weights (LoRA, arXiv 2106.09685).</summary>
[RemovedOption("lora.enabled", "`lora.rank` above 0 trains an adapter")]
public sealed record LoraOptions : ICheckedOptions
{
    private const string AllModules = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj";

    /// <summary>The projections an adapter can stand beside, under PEFT's names.</summary>
    public static IReadOnlyList<string> Modules { get; } = AllModules.Split(',');

    [Option("Rank of the adapter's matrices; 0: no adapter. Checkpoints hold the adapter as PEFT reads it, the exported policy has it merged in.", AtLeast = 0, AtMost = 4096, Verl = "actor_rollout_ref.model.lora_rank")]
    public int Rank { get; init; }

    /// <summary>Whether an adapter is trained and the policy's own weights stay as they are.</summary>
    public bool Enabled => Rank > 0;

    [Option("The adapter's product is scaled by alpha / rank.", Above = 0, Verl = "actor_rollout_ref.model.lora_alpha")]
    public double Alpha { get; init; } = 32;

    [Option("Share of the adapter's inputs that a training pass leaves out; rollouts and log-probs of frozen policies leave out none, so ratios and the log-prob gap then have its noise in them.", AtLeast = 0, Below = 1)]
    public double Dropout { get; init; }

    [Option("Projections the adapter stands beside.", Takes = "some of " + AllModules, Verl = "actor_rollout_ref.model.target_modules")]
    public string Targets { get; init; } = AllModules;

    /// <summary>The targets one by one.</summary>
    public IReadOnlyList<string> TargetList => Targets.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (!Enabled)
        {
            yield break;
        }

        foreach (var target in TargetList.Where(t => !Modules.Contains(t)))
        {
            yield return $"`lora.targets`: `{target}` is not one of {string.Join(", ", Modules)}";
        }

        if (TargetList.Count == 0 || TargetList.Distinct().Count() != TargetList.Count)
        {
            yield return "`lora.targets` must name at least one projection, each once";
        }
    }
}
