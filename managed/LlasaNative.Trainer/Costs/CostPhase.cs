namespace LlasaNative.Trainer.Costs;

/// <summary>A matrix product that is computed so many times.</summary>
/// <param name="Rows">M.</param>
/// <param name="Columns">N.</param>
/// <param name="Inner">K.</param>
/// <param name="Times">How often.</param>
/// <param name="Bf16">Whether its operands are bf16.</param>
/// <param name="KeepsBf16">Whether its result is, too; else it is f32.</param>
internal sealed record CostProduct(string What, double Rows, double Columns, double Inner, double Times, bool Bf16, bool KeepsBf16 = false)
{
    /// <summary>A multiply-add as two.</summary>
    public double Flops => 2 * Rows * Columns * Inner * Times;

    /// <summary>Both operands read once, the result written once.</summary>
    public double Bytes => Times * (((Bf16 ? 2 : 4) * Inner * (Rows + Columns)) + ((KeepsBf16 ? 2 : 4) * Rows * Columns));

    /// <summary>Time on a device's roofs, or on the shares of them that are reached.</summary>
    public double Seconds(DeviceRoofs roofs, bool reached) => Math.Max(
        Flops / (1e12 * (Bf16 ? roofs.Bf16Tflops : roofs.F32Tflops) * (reached ? roofs.ProductShare : 1)),
        Bytes / (1e9 * roofs.MemoryGbPerS * (reached ? roofs.MemoryShare : 1)));
}

/// <summary>A phase of a step: what is computed, what goes through memory beside products, and into how many pieces it is cut.</summary>
/// <param name="Bytes">Traffic of everything but products: keys and values, activations, the optimiser's state.</param>
/// <param name="Pieces">Launches, copies, waits.</param>
internal sealed record CostPhase(string Name, IReadOnlyList<CostProduct> Products, double AttentionFlops, double Bytes, PieceCounts Pieces)
{
    /// <summary>Arithmetic of the products.</summary>
    public double ProductFlops => Products.Sum(p => p.Flops);

    /// <summary>Traffic, products included.</summary>
    public double AllBytes => Bytes + Products.Sum(p => p.Bytes);

    /// <summary>Time if everything ran at the data sheet's rates and cost nothing by the piece.</summary>
    public double Roof(DeviceRoofs roofs) => Work(roofs, reached: false);

    /// <summary>Time at the rates that are reached, with what the pieces cost: the device's, or the host's where queueing takes longer.</summary>
    public double Predicted(DeviceRoofs roofs) => (1e-6 * roofs.WaitMicroseconds * Pieces.Waits) + Math.Max(
        Work(roofs, reached: true) + (1e-6 * roofs.KernelMicroseconds * Pieces.Launches),
        1e-6 * roofs.CallMicroseconds * Pieces.Calls);

    private double Work(DeviceRoofs roofs, bool reached)
    {
        // Attention is arithmetic where rows are many and traffic where they are few; one of the two hides behind the other.
        var attention = AttentionFlops / (1e12 * roofs.Bf16Tflops * (reached ? roofs.ProductShare : 1));
        var memory = Bytes / (1e9 * roofs.MemoryGbPerS * (reached ? roofs.MemoryShare : 1));
        return Products.Sum(p => p.Seconds(roofs, reached)) + Math.Max(attention, memory);
    }
}
