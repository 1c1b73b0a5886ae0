namespace LlasaNative.Training;

/// <summary>What the ways of keeping a reference come to.</summary>
internal static class ReferenceTypes
{
    /// <summary>Element type of the reference's matrices.</summary>
    /// <param name="kind">How it is kept.</param>
    /// <param name="policy">Element type of the policy's.</param>
    public static ComputeType TypeBeside(this ReferenceKind kind, ComputeType policy) => kind switch
    {
        ReferenceKind.F32 => ComputeType.F32,
        ReferenceKind.Bf16 => ComputeType.Bf16,
        ReferenceKind.Q8 => ComputeType.Q8,
        ReferenceKind.Auto or ReferenceKind.None => policy,
        _ => throw new InvalidOperationException($"Reference {kind}: no such kind."),
    };
}
