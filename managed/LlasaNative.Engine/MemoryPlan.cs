namespace LlasaNative.Training;

/// <summary>Device memory of a run.</summary>
/// <param name="Items">What memory is taken for, in the order of first use.</param>
/// <param name="PeakBytes">Most that is live on the device at one time.</param>
public sealed record MemoryPlan(IReadOnlyList<NativeMemoryItem> Items, long PeakBytes)
{
    /// <summary>The same run beside something else that lives as long.</summary>
    /// <param name="stage">What the other is, in place of its own stages.</param>
    /// <param name="other">What it takes.</param>
    internal MemoryPlan Beside(string stage, NativeMemoryPlan other) =>
        new([.. Items, .. other.Items.Where(i => !i.InTurn).Select(i => i with { Stage = stage })], PeakBytes + other.PeakBytes);
}
