namespace LlasaNative.Peers;

/// <summary>What one side did in one turn.</summary>
/// <param name="Rate">Units of work per second.</param>
/// <param name="RoofFraction">Of the machine's roof, where it is known.</param>
/// <param name="MemoryMib">Most memory, where it is known.</param>
internal sealed record Turn(double Rate, double? RoofFraction = null, double? MemoryMib = null);

/// <summary>Another program that does the same.</summary>
/// <param name="Name">For example <c>llama.cpp</c>.</param>
/// <param name="Program">What must be there.</param>
/// <param name="Module">A Python module that must be there; null for none.</param>
/// <param name="Take">Does the work once.</param>
/// <param name="Counts">Whether the ratio is against it; not, if it does something easier.</param>
internal sealed record Peer(string Name, string Program, string? Module, Func<Toolbox, Turn> Take, bool Counts = true);

/// <summary>A row of the table.</summary>
/// <param name="Id">Its number in docs/performance.md.</param>
/// <param name="Title">The work.</param>
/// <param name="Unit">What a rate counts.</param>
/// <param name="Goal">Least ratio.</param>
/// <param name="Ours">Arguments of <c>llasa bench</c>.</param>
/// <param name="Result">The file it writes.</param>
internal sealed record Row(string Id, string Title, string Unit, double Goal, string[] Ours, string Result, Peer[] Peers);
