namespace LlasaNative.Training;

/// <summary>A parameter of a policy.</summary>
/// <param name="Name">As Hugging Face and PEFT call it.</param>
/// <param name="Shape">Its axes.</param>
public sealed record PolicyTensor(string Name, IReadOnlyList<long> Shape)
{
    /// <summary>Number of elements.</summary>
    public long Count => Shape.Aggregate(1L, (product, axis) => checked(product * axis));
}
