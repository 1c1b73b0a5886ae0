using System.Text.Json.Nodes;

namespace LlasaNative.Peers;

/// <summary>One program's turns at a row.</summary>
/// <param name="name">What it is called.</param>
internal sealed class Side(string name)
{
    private readonly List<(Turn Turn, double Foreign)> _turns = [];

    public string Name => name;

    public double Median => _turns.Select(t => t.Turn.Rate).Order().ElementAt(_turns.Count / 2);

    /// <summary>Cores that other programs used meanwhile, at most.</summary>
    public double Foreign => _turns.Max(t => t.Foreign);

    public double? Roof => _turns.OrderBy(t => t.Turn.Rate).ElementAt(_turns.Count / 2).Turn.RoofFraction;

    public void Take(Func<Turn> work)
    {
        var (busy, own, clock) = (Machine.BusySeconds(), Machine.OwnSeconds(), System.Diagnostics.Stopwatch.StartNew());
        var turn = work();
        var foreign = (Machine.BusySeconds() - busy - (Machine.OwnSeconds() - own)) / Math.Max(0.1, clock.Elapsed.TotalSeconds);
        _turns.Add((turn, Math.Max(0, foreign)));
    }

    public JsonObject ToJson() => new()
    {
        ["name"] = name,
        ["rate"] = Median,
        ["all"] = new JsonArray([.. _turns.Select(t => (JsonNode)t.Turn.Rate)]),
        ["memory_mib"] = _turns.Max(t => t.Turn.MemoryMib),
        ["others_used_cores"] = new JsonArray([.. _turns.Select(t => (JsonNode)Math.Round(t.Foreign, 3))]),
    };
}
