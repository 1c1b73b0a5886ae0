using System.Text.Json.Nodes;
using LlasaNative.Tests.Support;
using LlasaNative.Trainer;
using static LlasaNative.EndToEnd.Tests.LlasaRunner;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>Rewards by models in ONNX files, which the engine in build/engines/onnx runs.</summary>
public sealed class OnnxTests : TinyWorldTests
{
    private static string Model(string name) => Path.Combine(OracleData.RepositoryRoot, "tests", "fixtures", "onnx", name + ".onnx");

    private static readonly string Level = $"onnx(model={Model("level")})";
    private static readonly string Speaker = $"onnx(model={Model("speaker")},called=likeness,features=log_mel,similarity=true)";

    [SetUp]
    public void FindTheEngine()
    {
        if (!Directory.Exists(Path.Combine(OracleData.RepositoryRoot, "build", "engines", "onnx")))
        {
            Assert.Ignore("SKIPPED: `./build.sh engine-onnx` makes the engine that runs ONNX models");
        }
    }

    private string Voices()
    {
        var folder = Directory.CreateDirectory(Path.Combine(Folder, "voices")).FullName;
        RunWell("speak", "the quiet river", "--greedy", "--out", Path.Combine(folder, "one.wav"));
        File.WriteAllText(Path.Combine(folder, "one.txt"), "the quiet river");
        return folder;
    }

    [Test, Category("Long")]
    public void Train_IsRewardedByTwoModels_AndResumesToTheSameBits()
    {
        string[] set = ["--set", $"reward.components=utility=1,{Speaker}=0.5,{Level}=0.25", "--set", "data.voices=" + Voices()];
        RunWell(Train(Path.Combine(Folder, "whole"), 2, set));
        RunWell(Train(Path.Combine(Folder, "parts"), 1, set));
        RunWell(Train(Path.Combine(Folder, "parts"), 2, set));
        Assert.That(Checkpoint(Path.Combine(Folder, "parts"), 2), Is.EqualTo(Checkpoint(Path.Combine(Folder, "whole"), 2)));
        var row = JsonNode.Parse(File.ReadLines(Path.Combine(Folder, "whole", "metrics.jsonl")).Last())!.AsObject();
        Assert.That((double)row["reward/part/likeness"]!, Is.GreaterThan(0).And.AtMost(1));
        Assert.That((double)row["reward/part/level"]!, Is.GreaterThan(0));
    }

    [Test]
    public void EvalAndCompare_ReportAModelThatRewardsNothing()
    {
        var data = Path.Combine(Folder, "texts.txt");
        File.WriteAllText(data, "a green stone\nthe big dog\n");
        string[] set = ["--data", data, "--set", $"reward.components=utility=1,{Level}=0"];
        var printed = RunWell(["eval", "--out", Path.Combine(Folder, "eval"), .. set]).Output;
        var summary = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, "eval", "summary.json")))!;
        var level = (double)summary["parts"]!["level"]!;
        Assert.That(level, Is.GreaterThan(0));
        Assert.That(printed, Does.Contain(FormattableString.Invariant($"  level    {level:F4}")));
        Assert.That((double)summary["parts"]!["utility"]!, Is.EqualTo((double)summary["reward"]!).Within(1e-12));

        RunWell(["report", Path.Combine(Folder, "eval"), "--out", Path.Combine(Folder, "report")]);
        var row = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, "report", "report.json")))!["runs"]![0]!["measures"]!["part_level"]!;
        Assert.That((double)row["value"]!["value"]!, Is.EqualTo(level).Within(1e-9));

        RunWell(["compare", TinyWorld.Policy, TinyWorld.Policy, "--names", "a,b", "--out", Path.Combine(Folder, "compare"), .. set]);
        Assert.That(File.ReadAllText(Path.Combine(Folder, "compare", "comparison.json")), Does.Contain("\"part_level\""));
    }

    [Test]
    public void Train_OnAModelThatIsNone_IsRefusedBeforeAnythingIsLoaded()
    {
        var path = Path.Combine(Folder, "mos.onnx");
        File.WriteAllText(path, "no model");
        var refused = Run(Train(Path.Combine(Folder, "run"), 1, "--set", $"reward.components=onnx(model={path})=1"));
        Assert.That(refused.ExitCode, Is.EqualTo(2));
        Assert.That(refused.Error, Does.Contain("reward.components").And.Contains(path));
        Assert.That(Run(Train(Path.Combine(Folder, "run"), 1, "--set", $"reward.components={Level}=1,{Level}=2")).Error, Does.Contain("`level` is named twice"));
    }
}
