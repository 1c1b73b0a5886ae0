using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlasaNative.Peers;
using LlasaNative.Weights;

const string Usage = "usage: peers --llasa FILE.dll [--rows 1,2,...] [--rounds N] [--threads N] [--out FILE] [--models DIR] [--growth FILE]";
Dictionary<string, string> options = [];
for (var i = 0; i < args.Length; i++)
{
    var parts = args[i].Split('=', 2);
    if (!parts[0].StartsWith("--", StringComparison.Ordinal) || (parts.Length == 1 && i + 1 == args.Length))
    {
        Console.Error.WriteLine(Usage);
        return 2;
    }

    options[parts[0][2..]] = parts.Length == 2 ? parts[1] : args[++i];
}

var repository = Environment.CurrentDirectory;
var llasa = Path.GetFullPath(options.GetValueOrDefault("llasa", ""));
if (!File.Exists(llasa) || !File.Exists(Path.Combine(repository, "LlasaNative.sln")))
{
    Console.Error.WriteLine(Usage + "\nrun it in the repository; ./build.sh bench --peers does");
    return 2;
}

var home = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache ? cache : Path.Combine(Environment.GetEnvironmentVariable("HOME") ?? "/root", ".cache");
var system = Environment.GetEnvironmentVariable("LLASA_PEERS") is { Length: > 0 } named ? named : Path.Combine(home, "llasa", "peers");
var models = Path.GetFullPath(options.GetValueOrDefault("models", Path.Combine("build", "peers")));
var output = options.GetValueOrDefault("out", Path.Combine("artifacts", "bench", "peers.json"));
var rounds = int.Parse(options.GetValueOrDefault("rounds", "2"), CultureInfo.InvariantCulture);
var threads = int.Parse(options.GetValueOrDefault("threads", Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture)), CultureInfo.InvariantCulture);
Directory.CreateDirectory(models);
Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(output))!);

Toolbox tools = new(system, [repository, models]);
Materials materials = new(models, repository);
if (options.TryGetValue("growth", out var growth))
{
    Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(growth))!);
    new Growth(materials, Bench).Measure(growth, threads);
    return 0;
}

materials.Prepare(tools);
var wanted = options.TryGetValue("rows", out var list) ? list.Split(',') : null;
var rows = new Rows(materials, threads).All();
if (wanted?.Except(rows.Select(r => r.Id)).FirstOrDefault() is { } unknown)
{
    Console.Error.WriteLine($"peers: --rows: `{unknown}` is not one of {string.Join(", ", rows.Select(r => r.Id))}");
    return 2;
}

// Rows that are not measured this time stay as they were.
var table = File.Exists(output) ? JsonNode.Parse(File.ReadAllText(output))!.AsObject() : new JsonObject { ["rows"] = new JsonObject() };
var failed = false;
foreach (var row in rows.Where(r => wanted?.Contains(r.Id) != false))
{
    var peers = row.Peers.Where(IsHere).ToArray();
    if (peers.Length == 0)
    {
        Console.WriteLine($"{row.Id,-7} {row.Title}: skipped, no peer is here (tests/peers/setup.sh makes a system with them)");
        continue;
    }

    try
    {
        Measure(row, peers);
    }
    catch (InvalidOperationException e)
    {
        // The other rows have their turn.
        Console.Error.WriteLine($"peers: row {row.Id}: {e.Message}");
        failed = true;
    }
}

return failed ? 1 : 0;

bool IsHere(Peer peer)
{
    var found = tools.Find(peer.Program) is not null && (peer.Module is null || tools.HasModule(peer.Module));
    if (!found)
    {
        Console.WriteLine($"{peer.Name}: skipped, {peer.Program}{(peer.Module is null ? "" : $" with {peer.Module}")} is neither on PATH nor in {system}");
    }

    return found;
}

void Measure(Row row, Peer[] peers)
{
    Side ours = new("llasa");
    Side[] theirs = [.. peers.Select(p => new Side(p.Name))];
    for (var round = 0; round < rounds; round++)
    {
        ours.Take(() => Ours(row));
        for (var i = 0; i < peers.Length; i++)
        {
            theirs[i].Take(() => peers[i].Take(tools));
        }
    }

    var best = theirs.Where((_, i) => peers[i].Counts).MaxBy(s => s.Median)!;
    var ratio = ours.Median / best.Median;
    Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"{row.Id,-7} {row.Title}: {ours.Median:G4} {row.Unit}/s, {best.Name} {best.Median:G4}; ratio {ratio:F2} (goal {row.Goal}), others used {Math.Max(ours.Foreign, theirs.Max(s => s.Foreign)):F2} cores"));
    table["rows"]![row.Id] = new JsonObject
    {
        ["title"] = row.Title,
        ["unit"] = row.Unit + "/s",
        ["ours"] = ours.ToJson(),
        ["peers"] = new JsonArray([.. theirs.Select(s => (JsonNode)s.ToJson())]),
        ["peer"] = best.Name,
        ["ratio"] = ratio,
        ["goal"] = row.Goal,
        ["roof_fraction"] = ours.Roof,
        ["threads"] = threads,
        ["time"] = DateTime.UtcNow.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture),
        ["commit"] = Words("git", "rev-parse", "HEAD") + (Words("git", "status", "--porcelain", "--untracked-files=no").Length > 0 ? " with changes" : ""),
    };
    table["machine"] = new JsonObject { ["processor"] = Machine.Processor, ["cores"] = Environment.ProcessorCount, ["memory"] = Machine.Memory };
    table["versions"] = new JsonObject(Versions().Select(v => KeyValuePair.Create(v.Key, (JsonNode?)v.Value)));
    File.WriteAllText(output, table.ToJsonString(JsonWriting.Indented) + "\n");
}

Turn Ours(Row row)
{
    var result = Bench(["--threads", $"{threads}", .. row.Ours], row.Result);
    return row.Result == "step.json"
        ? new Turn(1 / (double)result["seconds_per_step"]!)
        : new Turn((double)result["units_per_second"]!, (double?)result["roof_fraction"], (double)result["peak_memory_mib"]!);
}

JsonNode Bench(string[] arguments, string result)
{
    var folder = Path.Combine(models, "result");
    var outcome = tools.Run("dotnet", [llasa, "bench", "--out", folder, .. arguments]);
    return outcome.ExitCode == 0
        ? JsonNode.Parse(File.ReadAllText(Path.Combine(folder, result)))!
        : throw new InvalidOperationException($"llasa bench {string.Join(' ', arguments)}: {outcome.Error.Trim()}");
}

IEnumerable<KeyValuePair<string, string>> Versions()
{
    var packages = new[] { "python3-torch", "python3-transformers", "python3-tokenizers", "libopenblas0-pthread", "llama.cpp", "whisper.cpp" };
    var found = tools.Run("dpkg-query", ["-W", "-f", "${Package} ${Version}\n", .. packages]).Output;
    return found.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(' ')).Where(p => p.Length == 2).Select(p => KeyValuePair.Create(p[0], p[1]));
}

string Words(string program, params string[] arguments)
{
    using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
    var text = process.StandardOutput.ReadToEnd().Trim();
    process.WaitForExit();
    return text;
}
