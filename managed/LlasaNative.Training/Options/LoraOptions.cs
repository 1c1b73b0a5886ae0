namespace LlasaNative.Training;

/// <summary>A low-rank adapter in place of all weights (LoRA, arXiv 2106.09685).</summary>
public sealed record LoraOptions
{
    /// <summary>The projections an adapter can stand beside, under PEFT's names.</summary>
    public static IReadOnlyList<string> Modules { get; } = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

    /// <summary>Whether an adapter is trained and the policy's own weights stay as they are.</summary>
    public bool Enabled { get; init; }

    /// <summary>Rank of the adapter's matrices.</summary>
    public int Rank { get; init; } = 16;

    /// <summary>The adapter's product is scaled by this over the rank.</summary>
    public double Alpha { get; init; } = 32;

    /// <summary>Share of the adapter's inputs that a training pass leaves out.</summary>
    public double Dropout { get; init; }

    /// <summary>Which projections, separated by commas.</summary>
    public string Targets { get; init; } = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj";

    /// <summary>The targets one by one.</summary>
    public IReadOnlyList<string> TargetList => Targets.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    /// <summary>What is wrong, in the words of the configuration.</summary>
    internal IEnumerable<string> Faults()
    {
        if (!Enabled)
        {
            yield break;
        }

        if (Rank < 1)
        {
            yield return "`lora.enabled` needs `lora.rank` of at least 1";
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
