namespace LlasaNative.Reporting;

/// <summary>What a run computes on.</summary>
/// <param name="Backend"><c>cpu</c> or <c>cuda</c>.</param>
/// <param name="Isa">Instruction set of the processor's kernels.</param>
/// <param name="Name">Name of the processor or card.</param>
/// <param name="Threads">Threads of the processor's kernels.</param>
public sealed record RunDevice(string Backend, string Isa, string Name, int Threads);
