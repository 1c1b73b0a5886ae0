using LlasaNative.Configuration;
using LlasaNative.Interop;
using LlasaNative.Models;
using LlasaNative.Tests.Support;
using LlasaNative.Training;

namespace LlasaNative.Tests.Training;

public sealed class OptionTests
{
    private static OptionAssignment Set(string key, string value) => new(key, value, "--set");

    [Test]
    public void Build_WithNothing_GivesTheDefaults() => Assert.That(OptionTree.Build<GrpoOptions>([]), Is.EqualTo(new GrpoOptions()));

    [Test]
    public void Build_LaterAssignment_Wins()
    {
        var options = OptionTree.Build<GrpoOptions>([Set("rollout.temperature", "0.5"), Set("rollout.temperature", "0.7"), Set("loss.aggregation", "constant")]);
        Assert.Multiple(() =>
        {
            Assert.That(options.Rollout.Temperature, Is.EqualTo(0.7));
            Assert.That(options.Loss.Aggregation, Is.EqualTo(LossAggregation.Constant));
        });
    }

    [TestCase("True", true)]
    [TestCase("TRUE", true)]
    [TestCase("yes", true)]
    [TestCase("On", true)]
    [TestCase("False", false)]
    [TestCase("FALSE", false)]
    [TestCase("No", false)]
    [TestCase("off", false)]
    public void TrueAndFalse_AsPyYamlReadsThem_AreFlags(string word, bool expected)
    {
        var fromFile = OptionTree.Build<GrpoOptions>(OptionFile.Parse($"rollout:\n  speech_only: {word}\n", "a.yaml"));
        Assert.That(fromFile.Rollout.SpeechOnly, Is.EqualTo(expected));
        Assert.That(OptionTree.Build<GrpoOptions>([Set("rollout.speech_only", word)]).Rollout.SpeechOnly, Is.EqualTo(expected));
    }

    [TestCase("null")]
    [TestCase("~")]
    [TestCase("Null")]
    [TestCase("")]
    public void NothingInYaml_IsTheDefault(string nothing)
    {
        var options = OptionTree.Build<GrpoOptions>(OptionFile.Parse($"run:\n  steps: {nothing}\n  out: {nothing}\ndata: {nothing}\n", "a.yaml"));
        Assert.That(options.Run, Is.EqualTo(new GrpoOptions().Run));
        Assert.That(OptionTree.Build<GrpoOptions>(OptionFile.Parse("data:\n  train: \"null\"\n", "a.yaml")).Data.Train, Is.EqualTo("null"), "in quotes it is a name");
    }

    [Test]
    public void NumbersInGroups_AsYamlAllowsThem_AreRead()
    {
        var options = OptionTree.Build<GrpoOptions>(OptionFile.Parse("run:\n  steps: 1_000\noptimiser:\n  learning_rate: 1e-5\n", "a.yaml"));
        Assert.That((options.Run.Steps, options.Optimiser.LearningRate), Is.EqualTo((1000, 1e-5)));
        Assert.That(() => OptionTree.Build<GrpoOptions>([Set("run.steps", "_1")]), Throws.TypeOf<UsageException>());
    }

    [TestCase("010")]
    [TestCase("+010")]
    [TestCase("0_8")]
    public void ANumberThatYamlTakesForOctal_IsRefused_NotReadAsAnother(string number)
    {
        foreach (var key in new[] { "steps", "time_limit_minutes" })
        {
            Assert.That(
                () => OptionTree.Build<GrpoOptions>(OptionFile.Parse($"run:\n  {key}: {number}\n", "a.yaml")),
                Throws.TypeOf<UsageException>().With.Message.Contains($"`{number}` begins with 0"));
        }

        var options = OptionTree.Build<GrpoOptions>(OptionFile.Parse("run:\n  seed: 0\n  time_limit_minutes: 0.5\n", "a.yaml"));
        Assert.That(options.Run.Seed, Is.Zero);
        Assert.That(options.Run.TimeLimitMinutes, Is.EqualTo(0.5));
    }

    [Test]
    public void MyConfigurationHasASecondDocument_AndItIsNotPassedOver()
    {
        Assert.That(() => OptionFile.Parse("run:\n  seed: 1\n---\nrun:\n  seed: 2\n", "a.yaml"), Throws.TypeOf<UsageException>().With.Message.Contains("a.yaml:4: a second document"));
        Assert.That(OptionFile.Parse("---\nrun:\n  seed: 1\n...\n", "a.yaml"), Has.Count.EqualTo(1));
    }

    [Test]
    public void MyConfigurationIsLatin1_AndIsRefused_NotReadWithOtherLetters()
    {
        using TemporaryDirectory directory = new();
        File.WriteAllBytes(directory.File("a.yaml"), System.Text.Encoding.Latin1.GetBytes("run:\n  out: données\n"));
        Assert.That(() => OptionFile.Read(directory.File("a.yaml")), Throws.TypeOf<UsageException>().With.Message.EndsWith("a.yaml: not valid UTF-8"));
    }

    [Test]
    public void ATildeInAPath_IsTheHomeDirectory()
    {
        var options = OptionTree.Build<GrpoOptions>([Set("models.policy", "~/models/a"), Set("data.train", "~x/a.txt")]);
        Assert.That(options.Models.Policy, Is.EqualTo(Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), "models/a")));
        Assert.That(options.Data.Train, Is.EqualTo("~x/a.txt"));
    }

    [TestCase("rollout.temprature", "rollout.temperature")]
    [TestCase("temperature", "rollout.temperature")]
    [TestCase("optimizer.learning_rate", "optimiser.learning_rate")]
    [TestCase("loss.kl", "loss.")]
    public void Build_UnknownKey_IsRefusedWithTheNearest(string key, string nearest)
    {
        var error = Assert.Throws<UsageException>(() => OptionTree.Build<GrpoOptions>([Set(key, "1")]));
        Assert.That(error!.Message, Does.Contain($"`{key}`").And.Contains($"did you mean `{nearest}"));
    }

    [Test]
    public void Build_ManyFaults_ListsAllInOneLine()
    {
        var error = Assert.Throws<UsageException>(() => OptionTree.Build<GrpoOptions>([
            Set("rollout.temperature", "-1"), Set("run.steps", "0"), Set("rollout.top_p", "much"), Set("rollout.speech_only", "y"),
            Set("loss.advantage", "ppo"), Set("loss.dual_clip", "0.5"), Set("nonsense.key", "1"),
        ]));
        foreach (var expected in new[]
        {
            "rollout.temperature", "run.steps", "rollout.top_p", "speech_only", "dr_grpo", "dual_clip", "nonsense.key",
        })
        {
            Assert.That(error!.Message, Does.Contain(expected));
        }

        Assert.That(error!.Message, Does.Not.Contain('\n'));
    }

    [Test]
    public void Preset_SetsSeveralKeys_AndEachCanStillBeSet()
    {
        var options = OptionTree.Build<GrpoOptions>([Set("loss.clip_high", "0.3"), Set("algorithm", "gspo"), Set("algorithm", "dapo")]);
        Assert.Multiple(() =>
        {
            Assert.That(options.Algorithm, Is.EqualTo("dapo"));
            Assert.That((options.Rollout.Dynamic, options.Rollout.DynamicRounds), Is.EqualTo((true, 3)));
            Assert.That(options.Loss.ClipHigh, Is.EqualTo(0.3), "written down before, and still over the preset");
            Assert.That(options.Loss.Ratio, Is.EqualTo(RatioLevel.Token), "the last preset alone counts");
        });
    }

    [Test]
    public void EveryPreset_IsWithoutContradiction_AndInTheDocument([ValueSource(typeof(AlgorithmPresets), nameof(AlgorithmPresets.Names))] string name)
    {
        var options = OptionTree.Build<GrpoOptions>([Set("algorithm", name)]);
        var document = File.ReadAllText(Path.Combine(OracleData.RepositoryRoot, "docs", "algorithms.md"));
        Assert.Multiple(() =>
        {
            Assert.That(document, Does.Contain($"`{name}`"));
            foreach (var (key, value) in AlgorithmPresets.Of(name))
            {
                var alone = OptionTree.Build<GrpoOptions>([Set(key, value)]);
                Assert.That(OptionTree.Values(options)[key], Is.EqualTo(OptionTree.Values(alone)[key]), key);
                Assert.That(document, Does.Contain($"`{key}: {value}`"), key);
            }
        });
    }

    [Test]
    public void Contradictions_AreAllListedAtOnce()
    {
        var error = Assert.Throws<UsageException>(() => OptionTree.Build<GrpoOptions>([
            Set("loss.kl_coefficient", "0.1"), Set("loss.reference", "none"), Set("rollout.dynamic_rounds", "2"), Set("rollout.samples_per_prompt", "1"), Set("update.mini_batch_prompts", "99"),
            Set("reward.components", "utility=1,wit=2,exact"), Set("algorithm", "ppo"),
        ]));
        foreach (var expected in new[]
        {
            "`loss.reference` is none", "`rollout.samples_per_prompt` of at least 2", "update.mini_batch_prompts", "`wit`", "`exact`", "`ppo`",
        })
        {
            Assert.That(error!.Message, Does.Contain(expected));
        }
    }

    [Test]
    public void ShippedConfigurations_AreValid()
    {
        foreach (var file in Directory.GetFiles(Path.Combine(OracleData.RepositoryRoot, "configs"), "*.yaml"))
        {
            Assert.That(() => OptionTree.Build<GrpoOptions>(OptionFile.Read(file)), Throws.Nothing, file);
        }
    }

    [Test]
    public void EveryKey_ReadsBackWhatItWrites()
    {
        foreach (var (key, text) in OptionTree.Values(new GrpoOptions()))
        {
            Assert.That(OptionTree.Values(OptionTree.Build<GrpoOptions>([Set(key, text)]))[key], Is.EqualTo(text), key);
        }
    }

    [Test]
    public void ReferenceFile_AgreesWithTheTable()
    {
        var path = Path.Combine(OracleData.RepositoryRoot, "configs", "reference.yaml");
        var written = File.ReadAllText(path);
        var head = string.Join('\n', written.Split('\n').TakeWhile(l => l.StartsWith('#')).Select(l => l[1..].TrimStart(' ')));
        Assert.That(written, Is.EqualTo(OptionDocument.ToYaml(new GrpoOptions(), head)), "run `llasa config > configs/reference.yaml`");
        Assert.That(OptionTree.Build<GrpoOptions>(OptionFile.Read(path)), Is.EqualTo(new GrpoOptions()));
    }

    [Test]
    public void TheTablesInTheDocuments_AgreeWithWhatIsDeclared()
    {
        var written = File.ReadAllText(Path.Combine(OracleData.RepositoryRoot, "docs", "options.md"));
        Assert.That(written, Does.EndWith(OptionDocument.ToMarkdown(new GrpoOptions())), "run `llasa config --markdown > docs/options.md`");
        var section = OptionDocument.ToMarkdown(new DpoOptions()).Split("\n## ").Single(part => part.StartsWith("dpo\n", StringComparison.Ordinal));
        Assert.That(
            File.ReadAllText(Path.Combine(OracleData.RepositoryRoot, "docs", "preferences.md")), Does.Contain(section[section.IndexOf("| key", StringComparison.Ordinal)..]), "its part of `llasa config --of dpo --markdown`");
    }

    [Test]
    public void TheOwnersLaunchFile_NamesVerlsKeysAsTheyAreDeclared()
    {
        var entries = OptionTree.Entries(new GrpoOptions()).ToLookup(e => e.Key[(e.Key.LastIndexOf('.') + 1)..]);
        var commented = 0;
        foreach (var line in File.ReadLines(Path.Combine(OracleData.RepositoryRoot, "configs", "llasa-1b-grpo.yaml")))
        {
            if (line.StartsWith("  ", StringComparison.Ordinal) && line.Split('#') is [var setting, var comment] && comment.Trim().Split(' ', ':', ',')[0] is var verl
                && verl.StartsWith("actor_", StringComparison.Ordinal) | verl.StartsWith("data.", StringComparison.Ordinal) | verl.StartsWith("trainer.", StringComparison.Ordinal) | verl.StartsWith("algorithm.", StringComparison.Ordinal))
            {
                commented++;
                Assert.That(entries[setting.Split(':')[0].Trim()].Select(e => e.Declared.Verl), Does.Contain(verl), line);
            }
        }

        Assert.That(commented, Is.GreaterThan(30));
    }

    [Test]
    public void EveryKeyThatIsNoMore_IsRefused_AndWhatReplacesItExists()
    {
        var keys = OptionTree.Values(new GrpoOptions()).Keys;
        var removed = OptionTree.Removed(new GrpoOptions()).ToArray();
        Assert.That(removed.Select(r => r.Key), Does.Contain("rollout.min_p").And.Contain("lora.enabled").And.Contain("evaluation.top_k"));
        foreach (var gone in removed)
        {
            Assert.That(keys, Does.Not.Contain(gone.Key));
            var error = Assert.Throws<UsageException>(() => OptionTree.Build<GrpoOptions>(OptionFile.Parse($"{gone.Key.Replace(".", ":\n  ", StringComparison.Ordinal)}: 1\n", "old.yaml")));
            Assert.That(error!.Message, Is.EqualTo($"old.yaml:2: `{gone.Key}` is no option any more: {gone.Instead}"));
            foreach (var named in gone.Instead.Split('`').Where((_, i) => i % 2 == 1))
            {
                Assert.That(keys, Does.Contain(named), gone.Key);
            }
        }
    }

    [Test]
    public void Resumed_AfterAKeyWent_IsRefusedOnlyWhereItHadDoneSomething()
    {
        Dictionary<string, string> was = new(OptionTree.Values(new GrpoOptions())) { ["rollout.min_p"] = "0", ["rollout.slots"] = "3", ["loss.proximal"] = "rollout", ["lora.enabled"] = "false", ["lora.rank"] = "16" };
        Assert.That(ResumedOptions.Differences(new GrpoOptions(), was, null), Is.Empty);
        was["rollout.min_p"] = "0.1";
        was["lora.enabled"] = "true";
        Assert.That(ResumedOptions.Differences(new GrpoOptions(), was, null), Is.EqualTo(new[] { "`lora.rank` was 16, is 0", "`rollout.min_p` was 0.1, and is no option any more: use `rollout.top_p`" }));
    }

    [TestCase("linear(decay_steps=40,final_ratio=0.10)", false)]
    [TestCase("linear(final_ratio=0.1)", true)]
    [TestCase("constant", true)]
    public void Resumed_AfterKeysBecameOne_GoesOnAsItWas(string schedule, bool refused)
    {
        Dictionary<string, string> was = new(OptionTree.Values(new GrpoOptions()))
        {
            ["optimiser.schedule"] = "linear", ["optimiser.final_ratio"] = "0.1", ["optimiser.decay_steps"] = "40", ["optimiser.recompute_mlp"] = "true",
        };
        GrpoOptions now = new() { Optimiser = new OptimiserOptions { Schedule = schedule, Recompute = Recompute.Mlp } };
        string[] expected = [$"`optimiser.schedule` was linear(final_ratio=0.1,decay_steps=40), is {schedule}"];
        Assert.That(ResumedOptions.Differences(now, was, null), Is.EqualTo(refused ? expected : []));
    }

    [Test]
    public void MyKeyOfVerl_ThatIsAnOptionOfTheScheduleNow_IsRefusedWithItsPlace()
    {
        var error = Assert.Throws<UsageException>(() => OptionTree.Build<GrpoOptions>([new OptionAssignment("min_lr_ratio", "0.1", "--set")]));
        Assert.That(error!.Message, Does.EndWith("unknown key `min_lr_ratio`: it is an option of the schedule, linear(final_ratio=0.1) in `optimiser.schedule`"));
    }

    [Test]
    public void Resumed_WithOtherOptions_NamesThoseThatMatter()
    {
        GrpoOptions now = new() { Rollout = new RolloutOptions { Slots = 7, Temperature = 1 }, Run = new RunOptions { Steps = 300, Out = "elsewhere" }, RewardServer = new RewardServerOptions { Retries = 1 } };
        var was = OptionTree.Values(new GrpoOptions());
        Assert.That(ResumedOptions.Differences(now, was, null), Is.EqualTo(new[] { "`rollout.temperature` was 0.8, is 1" }));
        var cosine = now with { Optimiser = new OptimiserOptions { Schedule = "cosine" } };
        Assert.That(ResumedOptions.Differences(cosine, was, null).Select(d => d.Split('`')[1]), Is.EqualTo(new[] { "rollout.temperature", "optimiser.schedule", "run.steps" }));
        Assert.That(ResumedOptions.Differences(now, new Dictionary<string, string>(), null), Is.Empty, "what an older version did not know");
    }

    [Test]
    public void DemoFile_IsValid() =>
        Assert.That(OptionTree.Build<GrpoOptions>(OptionFile.Read(Path.Combine(OracleData.RepositoryRoot, "configs", "demo.yaml"))).Loss.Advantage, Is.EqualTo("grpo(epsilon=0.1)"));

    [Test]
    public void OptionFile_NamesFileAndLine()
    {
        var assignments = OptionFile.Parse("run:\n  steps: 3\n\nloss: # nothing\n", "a.yaml");
        Assert.That(assignments, Is.EqualTo(new[] { new OptionAssignment("run.steps", "3", "a.yaml:2") }));
    }

    [TestCase("run: [1, 2]", "a.yaml:1")]
    [TestCase("run:\n  steps: [1]", "a.yaml:2")]
    [TestCase("just text", "a.yaml:1")]
    [TestCase("run:\n  steps: 1\n  steps: 2", "a.yaml")]
    [TestCase("run: {", "a.yaml")]
    public void OptionFile_OfAnotherForm_IsRefused(string yaml, string place)
    {
        var error = Assert.Throws<UsageException>(() => OptionFile.Parse(yaml, "a.yaml"));
        Assert.That(error!.Message, Does.StartWith(place).And.Not.Contains("\n"));
    }

    [Test]
    public void OptionFile_Empty_GivesNothing() => Assert.That(OptionFile.Parse("", "a.yaml"), Is.Empty);

    [Test]
    public void OptionFile_Missing_IsRefused() =>
        Assert.That(Assert.Throws<UsageException>(() => OptionFile.Read("/nowhere/x.yaml"))!.Message, Does.StartWith("/nowhere/x.yaml"));

    [TestCase("a.b", false)]
    [TestCase("=1", false)]
    [TestCase("a.b=1=2", true)]
    public void Assignment_NeedsAKey(string text, bool isFine)
    {
        if (isFine)
        {
            Assert.That(OptionAssignment.Parse(text), Is.EqualTo(new OptionAssignment("a.b", "1=2", "--set")));
        }
        else
        {
            Assert.Throws<UsageException>(() => OptionAssignment.Parse(text));
        }
    }

    [TestCase("en", "default", true)]
    [TestCase("default", "en", true)]
    [TestCase("de", "default", false)]
    [TestCase("auto", "default", false)]
    public void MyRunIsFromBeforeTheDefaultLanguage_AndGoesOn(string old, string now, bool same) =>
        Assert.That(
            ResumedOptions.Differences(new GrpoOptions { Scoring = new ScoringOptions { Language = now } }, new Dictionary<string, string> { ["recogniser.language"] = old }, null),
            same ? Is.Empty : Is.EqualTo(new[] { $"`recogniser.language` was {old}, is {now}" }));
}
