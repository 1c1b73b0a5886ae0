using System.Runtime.InteropServices;
using System.Text.Json;
using LlasaNative.Configuration;
using LlasaNative.Interop;
using LlasaNative.Models;
using LlasaNative.Tests.Support;
using LlasaNative.Training;
using LlasaNative.Weights;

namespace LlasaNative.Tests.Training;

/// <summary>The losses of preferences against PyTorch: values, slopes by each token's log-prob, gradients of every parameter.</summary>
public sealed class PreferenceLossTests
{
    private static IEnumerable<TestCaseData> Settings() => OracleData.Cases("preference").SelectMany(folder => OracleData.Manifest(folder).GetProperty("settings").EnumerateObject()
        .Select(s => new TestCaseData(folder, s.Name).SetArgDisplayNames(Path.GetFileName(folder), s.Name)));

    [Test]
    public void The_oracle_has_every_loss() =>
        Assert.That(Settings().Select(s => new Case((string)s.Arguments[0]!, (string)s.Arguments[1]!).Options.Loss).Distinct(), Is.EquivalentTo(Enum.GetValues<PreferenceLossKind>()));

    [TestCaseSource(nameof(Settings))]
    public void Loss_ComesToTheOraclesValuesAndSlopes(string folder, string name)
    {
        Case oracle = new(folder, name);
        var terms = new PreferenceLoss(oracle.Options).Of(oracle.Lengths, oracle.Tokens("logp"), oracle.Tokens("ref_logp"));
        var slopes = oracle.Tokens($"{name}.slope");
        var largest = slopes.Max(Math.Abs);
        Assert.Multiple(() =>
        {
            foreach (var (key, value) in new[]
            {
                ("loss", terms.Loss), ("pair_loss", terms.PairLoss), ("sft_loss", terms.SftLoss), ("reward_chosen", terms.ChosenReward),
                ("reward_rejected", terms.RejectedReward), ("margin", terms.Margin), ("accuracy", terms.Accuracy), ("kl", terms.Kl),
            })
            {
                var expected = oracle.Setting.GetProperty(key).GetDouble();
                // Differences of sums that are some hundred times larger lose as much of their accuracy.
                Assert.That(value, Is.EqualTo(expected).Within(oracle.Tolerance("value_relative") * Math.Max(1, Math.Abs(expected))), key);
            }

            Assert.That(terms.Terms.PolicyWeights, Is.All.EqualTo(1f));
            for (var n = 0; n < slopes.Length; n++)
            {
                Assert.That(-(double)terms.Terms.Advantages[n], Is.EqualTo(slopes[n]).Within(oracle.Tolerance("slope_relative_to_largest") * largest), $"token {n}");
            }
        });
    }

    [TestCaseSource(nameof(Settings))]
    public void Gradients_OfTheNativeEngine_AreTheOracles(string folder, string name)
    {
        Case oracle = new(folder, name);
        using NativePolicy policy = new(PolicyModel.ToNative(LlamaConfig.FromFile(Path.Combine(folder, "model", "config.json")), ComputeType.F32, frozen: false));
        using (var weights = SafeTensorsFile.Open(Path.Combine(folder, "model", "model.safetensors")))
        {
            foreach (var tensor in weights.Tensors)
            {
                policy.SetTensor(tensor.Name, [.. tensor.Shape], weights.ReadFloats(tensor.Name));
            }
        }

        using NativeTrainer trainer = new(policy, NativeTrainerOptions.CreateDefault());
        var packed = oracle.Pack();
        var logProbs = new float[packed.ScoredTokens];
        policy.LogProbs(packed.ToNative(), NativeHeadOptions.CreateDefault(), logProbs);
        var expected = oracle.Tokens("logp");
        var terms = new PreferenceLoss(oracle.Options).Of(oracle.Lengths, logProbs, oracle.Tokens("ref_logp"));
        trainer.Accumulate(packed.ToNative(), NativeHeadOptions.CreateDefault(), PreferenceLoss.Shape.ToNative(), terms.Terms.ToNative());
        using var gradients = SafeTensorsFile.Open(Path.Combine(folder, "expected_grads.safetensors"));
        Assert.Multiple(() =>
        {
            Assert.That(logProbs.Zip(expected, (a, b) => Math.Abs((double)a - b)).Max(), Is.LessThan(oracle.Tolerance("logp_abs")));
            foreach (var tensor in policy.GetTensors())
            {
                var want = gradients.ReadFloats($"{name}.{tensor.Name}");
                var got = new float[tensor.Count];
                trainer.GetState(NativeTrainerState.Gradient, tensor.Name, got);
                var worst = want.Zip(got, (a, b) => Math.Abs((double)a - b)).Max();
                Assert.That(worst, Is.LessThanOrEqualTo(oracle.Tolerance("grad_max_abs_relative_to_tensor_max") * want.Max(Math.Abs)), tensor.Name);
            }
        });
    }

    [TestCase(PreferenceLossKind.Dpo)]
    [TestCase(PreferenceLossKind.Ipo)]
    [TestCase(PreferenceLossKind.DpoNorm)]
    [TestCase(PreferenceLossKind.Simpo)]
    public void Loss_PullsTheChosenUpAndTheRejectedDown(PreferenceLossKind kind)
    {
        // Equal to the reference: nothing is preferred yet.
        float[] logProbs = [-1, -2, -3, -1, -2];
        var advantages = new PreferenceLoss(new PreferenceLossOptions { Loss = kind }).Of([2, 3], logProbs, logProbs).Terms.Advantages;
        Assert.Multiple(() =>
        {
            Assert.That(advantages[..2], Is.All.GreaterThan(0f));
            Assert.That(advantages[2..], Is.All.LessThan(0f));
            var sums = (Chosen: advantages[..2].Sum(), Rejected: -advantages[2..].Sum());
            Assert.That(kind == PreferenceLossKind.Dpo ? sums.Chosen / 2 : sums.Chosen, Is.EqualTo(kind == PreferenceLossKind.Dpo ? sums.Rejected / 3 : sums.Rejected).Within(1e-6), "as much one way as the other");
        });
    }

    [Test]
    public void Loss_OfHugeDifferences_IsFiniteAndLinear()
    {
        PreferenceLoss loss = new(new PreferenceLossOptions { Beta = 1 });
        var (wrong, right) = (loss.Of([1, 1], [-2000, 0], [0, 0]), loss.Of([1, 1], [0, -2000], [0, 0]));
        Assert.Multiple(() =>
        {
            Assert.That((wrong.Loss, right.Loss), Is.EqualTo((2000.0, 0.0)));
            Assert.That(wrong.Terms.Advantages, Is.EqualTo(new[] { 1f, -1f }));
            Assert.That(right.Terms.Advantages, Is.EqualTo(new[] { 0f, 0f }));
        });
    }

    [Test]
    public void Loss_OfWhatIsNoPair_IsRefused() => Assert.Multiple(() =>
    {
        PreferenceLoss loss = new(new PreferenceLossOptions());
        Assert.That(() => loss.Of([1, 1, 1], [0, 0, 0], [0, 0, 0]), Throws.ArgumentException.With.Message.Contains("expected pairs"));
        Assert.That(() => loss.Of([1, 1], [0, 0], []), Throws.ArgumentException.With.Message.Contains("with 2 and 0 log-probs"));
    });

    [Test]
    public void Options_ThatContradictEachOther_AreRefused()
    {
        Assert.Multiple(() =>
        {
            Assert.That(Faults("dpo.reference=none"), Does.Contain("`dpo.loss` dpo needs a reference, but `dpo.reference` is none"));
            Assert.That(Faults("dpo.loss=ipo", "dpo.label_smoothing=0.1"), Does.Contain("`dpo.label_smoothing` 0.1 contradicts `dpo.loss` ipo"));
            Assert.That(Faults("dpo.label_smoothing=0.5"), Does.Contain("dpo.label_smoothing"));
            Assert.That(Faults("run.evaluate_every=2"), Does.Contain("`data.evaluation` names no preferences"));
            Assert.That(OptionTree.Build<DpoOptions>(OptionAssignment.Read(null, ["dpo.loss=simpo", "dpo.reference=none"])).Dpo.KeepsReference, Is.False);
        });

        static string Faults(params string[] set) => Assert.Throws<UsageException>(() => OptionTree.Build<DpoOptions>(OptionAssignment.Read(null, set)))!.Message;
    }

    private sealed class Case
    {
        private readonly string _folder;
        private readonly JsonElement _manifest;
        private readonly long[] _ids, _ends, _prompts;
        private readonly int _width;

        public Case(string folder, string name)
        {
            (_folder, _manifest) = (folder, OracleData.Manifest(folder));
            Setting = _manifest.GetProperty("settings").GetProperty(name);
            using var inputs = SafeTensorsFile.Open(Path.Combine(folder, "inputs.safetensors"));
            (_ids, _ends, _prompts) = (Integers(inputs, "input_ids"), Integers(inputs, "lengths"), Integers(inputs, "prompts"));
            _width = _ids.Length / _ends.Length;
            Options = new PreferenceLossOptions
            {
                Loss = OptionNames.Parse<PreferenceLossKind>(Setting.GetProperty("loss_kind").GetString()!),
                Beta = Setting.GetProperty("beta").GetDouble(),
                Margin = Setting.GetProperty("target_margin").GetDouble(),
                LabelSmoothing = Setting.GetProperty("label_smoothing").GetDouble(),
                SftWeight = Setting.GetProperty("sft_weight").GetDouble(),
                Reference = ReferenceKind.F32,
            };
        }

        public JsonElement Setting { get; }

        public PreferenceLossOptions Options { get; }

        public int[] Lengths => [.. _ends.Zip(_prompts, (end, prompt) => (int)(end - prompt))];

        public double Tolerance(string name) => _manifest.GetProperty("tolerance").GetProperty(name).GetDouble();

        public float[] Tokens(string name)
        {
            using var file = SafeTensorsFile.Open(Path.Combine(_folder, "expected_token.safetensors"));
            var values = file.ReadFloats(name);
            return [.. _ends.SelectMany((end, b) => values[((b * _width) + (int)_prompts[b])..((b * _width) + (int)end)])];
        }

        public PackedSequences Pack()
        {
            PackedSequences packed = new();
            for (var b = 0; b < _ends.Length; b++)
            {
                int[] row = [.. _ids.Skip(b * _width).Take((int)_ends[b]).Select(id => (int)id)];
                packed.Add(row.AsSpan(0, (int)_prompts[b]), row.AsSpan((int)_prompts[b]));
            }

            return packed;
        }

        private static long[] Integers(SafeTensorsFile file, string name) => MemoryMarshal.Cast<byte, long>(file.GetBytes(name)).ToArray();
    }
}
