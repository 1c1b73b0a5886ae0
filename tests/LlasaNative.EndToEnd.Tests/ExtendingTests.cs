using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>What docs/extending.md says of an estimator that is to come with the program: one class and one line.</summary>
public sealed partial class ExtendingTests : TinyWorldTests
{
    private static readonly string Root = AboveWith("LlasaNative.sln", AppContext.BaseDirectory);

    [Test, Category("Long")]   // compiles the library again
    public void Estimator_OfAClassAndAPresetLine_TakesAStep()
    {
        var source = Path.Combine(Folder, "source", "managed", "LlasaNative.Training");
        Copy(Path.Combine(Root, "managed", "LlasaNative.Training"), source, path => !BuildOutput().IsMatch(path));
        foreach (var file in Directory.GetFiles(Root).Where(f => BuildSetting().IsMatch(Path.GetFileName(f))))
        {
            File.Copy(file, Path.Combine(Folder, "source", Path.GetFileName(file)));
        }

        File.Copy(Path.Combine(Root, "tests/LlasaNative.Tests/Extending/BestOfGroup.cs"), Path.Combine(source, "Advantages", "BestOfGroup.cs"));
        AddLine(Path.Combine(source, "Options", "AlgorithmPresets.cs"), PresetLine().Match(File.ReadAllText(Path.Combine(Root, "docs", "extending.md"))).Value);

        var program = Path.Combine(Folder, "program");
        Copy(AppContext.BaseDirectory, program, _ => true);
        // The example's members have no documentation of their own.
        Run("build", source, "-c", "Release", "-v", "q", "-nodeReuse:false", "-p:UseSharedCompilation=false", "-p:NoWarn=CS1591", "-o", Path.Combine(Folder, "built"));
        File.Copy(Path.Combine(Folder, "built", "LlasaNative.Training.dll"), Path.Combine(program, "LlasaNative.Training.dll"), overwrite: true);
        var run = Path.Combine(Folder, "run");
        Run([Path.Combine(program, "llasa.dll"), .. Train(run, 1, "--set", "algorithm=best_of_group", "--set", "loss.mask_flat_groups=false")]);

        double[] advantages = [.. File.ReadLines(Path.Combine(run, "samples.jsonl")).Select(l => JsonDocument.Parse(l).RootElement.GetProperty("advantage").GetDouble())];
        Assert.That(advantages.Order().Select(a => Math.Round(a, 6)), Is.EqualTo(new[] { -0.1, -0.1, 1, 1 }), "of two groups of two");
    }

    [GeneratedRegex("(^|/)(bin|obj)/")]
    private static partial Regex BuildOutput();

    [GeneratedRegex(@"^(Directory\.\w+\.(props|targets)|global\.json)$")]
    private static partial Regex BuildSetting();

    [GeneratedRegex(@"^ +\[""best_of_group""\] = .*,$", RegexOptions.Multiline)]
    private static partial Regex PresetLine();

    private static string AboveWith(string file, string folder) =>
        File.Exists(Path.Combine(folder, file)) ? folder : AboveWith(file, Path.GetDirectoryName(folder.TrimEnd('/'))!);

    private static void AddLine(string file, string line)
    {
        Assert.That(line, Is.Not.Empty, "the line is in the document");
        var text = File.ReadAllText(file);
        var table = text.IndexOf("    };\n", StringComparison.Ordinal);
        File.WriteAllText(file, text.Insert(table, line + "\n"));
    }

    private static void Copy(string from, string to, Func<string, bool> wanted)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*", new EnumerationOptions { RecurseSubdirectories = true }).Select(f => Path.GetRelativePath(from, f)).Where(wanted))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(to, file))!);
            File.Copy(Path.Combine(from, file), Path.Combine(to, file));
        }
    }

    private static void Run(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true, RedirectStandardError = true, Environment = { ["LLASA_TINY_WORLD"] = Path.Combine(Root, "assets", "tiny") } })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero, output + error.Result);
    }
}
