using System.Text.RegularExpressions;
using LlasaNative.Configuration;
using LlasaNative.Interop;
using LlasaNative.Tests.Support;
using LlasaNative.Training;

namespace LlasaNative.Tests.Training;

public class MemoryAdviceTests
{
    private static readonly Dictionary<string, string[]> OptionsOf = new()
    {
        ["policy"] = ["a smaller policy", "lora.rank", "rollout.max_new_tokens"],
        ["optimiser"] = ["lora.rank"],
        ["rollouts"] = ["rollout.slots", "rollout.max_new_tokens"],
        ["reference"] = ["a smaller policy", "rollout.max_new_tokens", "optimiser.micro_batch_tokens"],
        ["training"] = ["optimiser.micro_batch_tokens", "rollout.max_new_tokens"],
        ["codec"] = ["recogniser.batch_size"],
        ["recogniser"] = ["recogniser.batch_size"],
        ["second ear"] = ["recogniser.batch_size"],
    };

    private static GrpoOptions Options(params string[] set)
    {
        var options = OptionTree.Build<GrpoOptions>([.. set.Select(OptionAssignment.Parse)]);
        var tiny = Path.Combine(OracleData.RepositoryRoot, "assets", "tiny");
        return options with
        {
            Models = options.Models with { Policy = Path.Combine(tiny, "policy"), Codec = Path.Combine(tiny, "xcodec2"), Recogniser = Path.Combine(tiny, "whisper") },
            Evaluation = options.Evaluation with { Recogniser = Path.Combine(tiny, "whisper") },
        };
    }

    [TestCase("loss.kl_coefficient=0.1")]
    [TestCase("lora.rank=4")]
    public void Advice_OnEverythingThatARunAllocates_NamesAnOptionOfItsStage(string setting)
    {
        var items = MemoryPlanner.Plan(Options(setting)).Items;
        Assert.That(items.Select(i => i.Stage).Distinct().Count(), Is.GreaterThanOrEqualTo(7));
        Assert.Multiple(() =>
        {
            foreach (var item in items.Where(i => i.What != "memory that phases share"))   // which an error calls by what it was wanted for
            {
                var advice = MemoryAdvice.For(item.What);
                Assert.That(OptionsOf[item.Stage].Any(o => advice?.Contains(o, StringComparison.Ordinal) == true), $"{item.Stage}: {item.What}: {advice}");
            }
        });
    }

    [Test]
    public void Plan_OfRanks_DividesTheMomentsAndThePromptsOfAStepAndNothingElse()
    {
        static long Bytes(GrpoOptions options, int ranks, bool moments) => MemoryPlanner.Plan(options, ranks: ranks).Items.Where(i => i.What.EndsWith("moments", StringComparison.Ordinal) == moments).Sum(i => i.Bytes);
        var all = Options();
        foreach (var ranks in new[] { 2, 4 })
        {
            var share = all with { Rollout = all.Rollout with { PromptsPerStep = all.Rollout.PromptsPerStep / ranks } };
            // A plan is of the rank with the largest share, the last: it has what is left over of whole units of 64 floats for each, and so
            // less than 64 (ranks - 1) of either moment more than an even share. Allocations are multiples of 64 bytes.
            Assert.That(Bytes(all, ranks, moments: true), Is.EqualTo(Bytes(all, 1, moments: true) / (double)ranks).Within(2 * ((sizeof(float) * 64 * (ranks - 1)) + 64)));
            Assert.That(Bytes(all, ranks, moments: false), Is.EqualTo(Bytes(share, 1, moments: false)));
        }
    }

    [Test]
    public void Advice_NamesOptionsThatExist()
    {
        string[] things = ["waveforms", "keys and values of rollouts", "first moments", "gradients", "a chunk of gradients", "the adapter's weights", "the policy's weights"];
        var named = things.SelectMany(t => Regex.Matches(MemoryAdvice.For(t)!, @"[a-z]+\.[a-z_]+")).Select(m => m.Value).Distinct().ToArray();
        Assert.That(named, Has.Length.EqualTo(6).And.SubsetOf(OptionTree.Entries(new GrpoOptions()).Select(e => e.Key)));
    }

    [Test]
    public void Policy_TooLargeForTheMachine_SaysWhatDidNotFitAndWhatHelps()
    {
        var options = NativePolicyOptions.CreateDefault();
        (options.VocabSize, options.HiddenSize, options.IntermediateSize) = (1 << 30, 1 << 20, 1 << 20);
        (options.NumLayers, options.NumHeads, options.NumKvHeads, options.HeadDim, options.MaxPositionEmbeddings) = (1, 8, 8, 8, 16);
        var error = Assert.Throws<NativeException>(() => new NativePolicy(options).Dispose())!;
        Assert.Multiple(() =>
        {
            Assert.That(error.Status, Is.EqualTo(LlasaStatus.OutOfMemory), error.Message);
            Assert.That(MemoryAdvice.Describe(error), Does.Match("allocating [0-9]+ bytes for the policy's weights.*; a smaller policy is needed$"));
            Assert.That(error.Message, Does.Not.Contain(";"));
        });
    }

    [Test]
    public void Advice_OnMessagesOfAnyBackend_AndOnNoOther()
    {
        static string Described(LlasaStatus status, string message) => MemoryAdvice.Describe(new NativeException(status, message));
        const string Card = "llasa_vocode: out of device memory allocating 4096 bytes for activations of the codec: 12 of 100 bytes are free on device 0 (a card; its name)";
        const string Host = "llasa_buffer_create: out of page-locked host memory allocating 4096 bytes for a host buffer: 12 of 100 bytes are free on device 0 (a card)";
        const string Processor = "llasa_rollout_generate: out of memory allocating 4096 bytes for the repetition history";
        Assert.Multiple(() =>
        {
            Assert.That(Described(LlasaStatus.OutOfMemory, Card), Does.StartWith(Card + "; ").And.Contains("recogniser.batch_size").And.Contains("recogniser.device"));
            Assert.That(Described(LlasaStatus.OutOfMemory, Host), Is.EqualTo(Host));
            Assert.That(Described(LlasaStatus.OutOfMemory, Processor), Is.EqualTo(Processor + "; fewer sequences at a time lower it (rollout.slots)"));
            Assert.That(Described(LlasaStatus.Argument, Processor), Is.EqualTo(Processor));
            Assert.That(MemoryAdvice.Describe(new IOException("allocating 1 bytes for waveforms")), Is.EqualTo("allocating 1 bytes for waveforms"));
        });
    }
}
