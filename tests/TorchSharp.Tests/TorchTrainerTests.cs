using LlasaNative.Interop;
using LlasaNative.Models;
using LlasaNative.Tests.Support;
using LlasaNative.Training;

namespace LlasaNative.Torch.Tests;

/// <summary>The TorchSharp engine against the oracle of the native one: the same files, the same tolerances.</summary>
[TestFixture]
[NonParallelizable]
public sealed class TorchTrainerTests
{
    public static IEnumerable<TestCaseData> GradientCases => OracleCase.All("llama_grad");

    public static IEnumerable<TestCaseData> AdapterCases => OracleCase.All("llama_lora");

    [Test]
    public void The_oracle_cases_are_there()
    {
        Assert.Multiple(() =>
        {
            Assert.That(GradientCases.Count(), Is.GreaterThanOrEqualTo(13));
            Assert.That(AdapterCases.Count(), Is.GreaterThanOrEqualTo(2));
        });
    }

    [TestCaseSource(nameof(GradientCases))]
    public void Loss_gradients_and_three_steps_match(string directory) => Check(directory, recompute: false);

    [TestCaseSource(nameof(GradientCases))]
    public void Loss_gradients_and_three_steps_match_with_recomputation(string directory) => Check(directory, recompute: true);

    [TestCaseSource(nameof(AdapterCases))]
    public void An_adapter_is_trained_and_nothing_else(string directory) => Check(directory, recompute: false);

    [TestCaseSource(nameof(AdapterCases))]
    public void An_adapter_is_trained_with_recomputation(string directory) => Check(directory, recompute: true);

    [Test]
    public void ATrainerThatTakesOverStateAndStep_TakesTheSameSteps()
    {
        var directory = (string)GradientCases.First().Arguments[0]!;
        using OracleCase through = new(directory), resumed = new(directory);
        using TorchTrainer first = new(through.Policy, through.Config, through.Options);
        Step(through, first);
        Step(through, first);
        foreach (var tensor in through.Policy.GetTensors())
        {
            resumed.Policy.SetTensor(tensor.Name, [.. tensor.Shape], Values(through.Policy, tensor));
        }

        using TorchTrainer second = new(resumed.Policy, resumed.Config, resumed.Options) { StepCount = first.StepCount };
        foreach (var tensor in through.Policy.GetTensors())
        {
            var moment = new float[tensor.Count];
            foreach (var kind in new[] { NativeTrainerState.Moment1, NativeTrainerState.Moment2 })
            {
                first.GetState(kind, tensor.Name, moment);
                second.SetState(kind, tensor.Name, moment);
            }
        }

        Step(through, first);
        Step(resumed, second);
        foreach (var tensor in through.Policy.GetTensors())
        {
            Assert.That(Values(resumed.Policy, tensor), Is.EqualTo(Values(through.Policy, tensor)), tensor.Name);
        }
    }

    [Test]
    public void WhatOneEngineTrained_TheOtherGoesOnTraining()
    {
        // Both engines round differently: after a step taken with the other's moments they may differ as after three steps of their own.
        var directory = (string)GradientCases.First().Arguments[0]!;
        using OracleCase mixed = new(directory);
        var before = mixed.Policy.GetTensors().ToDictionary(t => t.Name, t => Values(mixed.Policy, t));
        var options = NativeTrainerOptions.CreateDefault();
        (options.WeightDecay, options.MaxGradNorm) = ((float)mixed.Options.WeightDecay, (float)mixed.Options.MaxGradNorm);
        using NativeTrainer native = new(mixed.Policy, options);
        native.Accumulate(mixed.Batch, mixed.Head, mixed.Loss, mixed.Terms);
        native.Step((float)mixed.LearningRate);
        using TorchTrainer torch = new(mixed.Policy, mixed.Config, mixed.Options) { StepCount = native.StepCount };
        foreach (var tensor in mixed.Policy.GetTensors())
        {
            var moment = new float[tensor.Count];
            foreach (var kind in new[] { NativeTrainerState.Moment1, NativeTrainerState.Moment2 })
            {
                native.GetState(kind, tensor.Name, moment);
                torch.SetState(kind, tensor.Name, moment);
            }
        }

        Step(mixed, torch);
        Step(mixed, torch);
        CheckEnd(mixed, [.. mixed.Policy.GetTensors()], before);
    }

    [TestCase(0, ComputeType.F32)]
    [TestCase(4, ComputeType.F32)]
    [TestCase(0, ComputeType.Bf16)]
    public void AGrpoStepOfTheTinyWorld_IsTheSameUnderBothEngines(int rank, ComputeType type)
    {
        var (native, nativeWeights) = TakeStep(rank, type, (policy, options) => new NativePolicyTrainer(policy, options.Optimiser));
        var (torch, torchWeights) = TakeStep(rank, type, (policy, options) => new TorchPolicyTrainer(policy, new TrainerSettings(options.Optimiser, options.Lora, options.Run.Seed)));
        static double Of(StepReport report, string name) => report.Metrics[name];
        Assert.Multiple(() =>
        {
            // Both sum some 1e5 products in float: relative 1e-4 is the bound, sqrt(1e5) eps is 4e-5. In bf16 torch multiplies float
            // activations with the rounded weights, and so does the native engine unless the processor multiplies bf16, where products round them, too:
            // a log-prob then moves by 0.0125 (docs/performance.md), a gradient by up to 4 % (bf16_policy_test.cc).
            var (norm, gap) = type == ComputeType.Bf16 && NativeDevice.GetInfo().Isa is "amx" or "avx512_bf16" ? (0.04, 0.0125) : (1e-4, 1e-4);
            Assert.That(Of(torch, "optimiser/grad_norm"), Is.EqualTo(Of(native, "optimiser/grad_norm")).Within(norm * Of(native, "optimiser/grad_norm")));
            Assert.That(Of(torch, "policy/logprob_gap_mean"), Is.LessThanOrEqualTo(gap), "what was sampled and what is trained");
            // Adam's first step is the rate times the gradient's sign. Entries below the rounding error, delta of their root mean
            // square, may turn: a share of 0.8 delta, the density of a normal at 0, each by twice the rate.
            Assert.That(torchWeights.Zip(nativeWeights, (a, b) => Math.Abs(a - b)).Max(), Is.LessThanOrEqualTo(2.01 * 1e-4));
            var delta = type == ComputeType.Bf16 ? Math.Max(norm, Math.ScaleB(1, -9)) : Math.Sqrt(1e5) * Math.ScaleB(1, -23);
            Assert.That(Distance(torchWeights, nativeWeights), Is.LessThan(2 * Math.Sqrt(0.8 * delta) * Math.Sqrt(torchWeights.Length) * 1e-4));
        });
    }

    private static (StepReport Report, float[] Weights) TakeStep(int rank, ComputeType type, Func<PolicyModel, GrpoOptions, IPolicyTrainer> create)
    {
        var tiny = Path.Combine(OracleData.RepositoryRoot, "assets", "tiny");
        GrpoOptions options = new()
        {
            Models = new ModelOptions { Policy = Path.Combine(tiny, "policy"), Codec = Path.Combine(tiny, "xcodec2"), Recogniser = Path.Combine(tiny, "whisper"), PolicyType = type },
            Rollout = new RolloutOptions { PromptsPerStep = 2, SamplesPerPrompt = 4, MaxNewTokens = 128 },
            Optimiser = new OptimiserOptions { WarmupSteps = 0 },
            Lora = new LoraOptions { Rank = rank },
        };
        using var models = Engine.NativeEngine.Load(options.Models, options.Prompt, options.ToScoring(training: true));
        var policy = (PolicyModel)models.Policy;
        if (rank > 0)
        {
            policy.AttachAdapter(options.Lora, 1);
        }

        EncodedText[] texts = [.. models.Encode(["the quiet river", "a green stone"], options.Rollout.MaxNewTokens)];
        using GrpoLoop loop = new(options, models, create(policy, options), new NativeGroupKernel(), texts);
        var report = loop.TakeStep(1, keepSound: false, CancellationToken.None);
        return (report, [.. policy.Native.GetTensors().Where(t => t.IsAdapter == rank > 0).SelectMany(t => Values(policy.Native, t))]);
    }

    private static double Distance(float[] a, float[] b) => Math.Sqrt(a.Zip(b, (x, y) => ((double)x - y) * ((double)x - y)).Sum());

    [TestCaseSource(nameof(AdapterCases))]
    public void Dropout_IsTheSameWhenALayerIsComputedAgain(string directory)
    {
        var (plain, recomputed, none) = (Gradients(0.5, false), Gradients(0.5, true), Gradients(0, false));
        var largest = plain.Max(MathF.Abs);
        // The same sums of at most 40 products in another order of layers: a few eps of the largest.
        Assert.That(plain.Zip(recomputed, (a, b) => Math.Abs(a - b)).Max(), Is.LessThanOrEqualTo(64 * 1.2e-7 * largest));
        Assert.That(plain.Zip(none, (a, b) => Math.Abs(a - b)).Max(), Is.GreaterThan(0.01 * largest), "something was left out");

        float[] Gradients(double dropout, bool recompute)
        {
            using OracleCase data = new(directory);
            using TorchTrainer trainer = new(data.Policy, data.Config, data.Options with { AdapterDropout = dropout, DropoutSeed = 3, Recompute = recompute });
            trainer.Accumulate(data.Batch, data.Head, data.Loss, data.Terms);
            return [.. data.Policy.GetTensors().Where(t => t.IsAdapter).SelectMany(t =>
            {
                var values = new float[t.Count];
                trainer.GetState(NativeTrainerState.Gradient, t.Name, values);
                return values;
            })];
        }
    }

    [Test]
    public void AGradientThatIsNotFinite_SkipsTheStepAndChangesNothing()
    {
        using OracleCase data = new((string)GradientCases.First().Arguments[0]!);
        var tensor = data.Policy.GetTensors()[0];
        var before = Values(data.Policy, tensor);
        using TorchTrainer trainer = new(data.Policy, data.Config, data.Options);
        trainer.Accumulate(data.Batch, data.Head, data.Loss, data.Terms);
        trainer.SetState(NativeTrainerState.Gradient, tensor.Name, [float.NaN, .. new float[tensor.Count - 1]]);
        var done = trainer.Step(data.LearningRate);
        Assert.That((done.Skipped, done.Step, trainer.StepCount), Is.EqualTo((1, 0L, 0L)));
        Assert.That(Values(data.Policy, tensor), Is.EqualTo(before));
        Assert.That(() => trainer.Step(1), Throws.InvalidOperationException, "the gradients are gone");
    }

    private static void Step(OracleCase data, TorchTrainer trainer)
    {
        trainer.Accumulate(data.Batch, data.Head, data.Loss, data.Terms);
        trainer.Step(data.LearningRate);
    }

    private static void Check(string directory, bool recompute)
    {
        using OracleCase data = new(directory);
        var hasAdapter = data.Policy.GetTensors().Any(t => t.IsAdapter);
        var trained = data.Policy.GetTensors().Where(t => t.IsAdapter == hasAdapter).ToArray();
        var frozen = data.Policy.GetTensors().Where(t => t.IsAdapter != hasAdapter).ToDictionary(t => t.Name, t => (Tensor: t, Values: Values(data.Policy, t)));
        var before = trained.ToDictionary(t => t.Name, t => Values(data.Policy, t));
        // Small micro-batches and few rows of logits: sums over several of each are the sum over all.
        using TorchTrainer trainer = new(data.Policy, data.Config, data.Options with { Recompute = recompute, MicroBatchTokens = recompute ? 4096 : 24, HeadRows = 7 });
        var steps = data.Manifest.GetProperty("expected_steps");
        for (var step = 1; step <= 3; step++)
        {
            var logProbs = new float[data.Cells.Count];
            var stats = trainer.Accumulate(data.Batch, data.Head, data.Loss, data.Terms, logProbs);
            var expected = steps[step - 1];
            var gradientTolerance = data.Tolerance("grad_max_abs_relative_to_tensor_max");
            Assert.That(stats.Loss, Is.EqualTo(expected.GetProperty("loss").GetDouble()).Within(data.Tolerance("loss_abs")), $"loss of step {step}");
            Assert.That(stats.Tokens, Is.EqualTo(data.Counts.Count(c => c)), "tokens");
            if (step == 1)
            {
                CheckStart(data, trainer, trained, logProbs, gradientTolerance);
            }

            var done = trainer.Step(data.LearningRate);
            var norm = expected.GetProperty("grad_norm").GetDouble();
            Assert.That(done.GradNorm, Is.EqualTo(norm).Within(gradientTolerance * norm), $"gradient norm of step {step}");
            Assert.That((done.Step, trainer.StepCount, done.Skipped), Is.EqualTo(((long)step, (long)step, 0)));
        }

        CheckEnd(data, trained, before);
        foreach (var (tensor, values) in frozen.Values)
        {
            Assert.That(Values(data.Policy, tensor), Is.EqualTo(values), $"{tensor.Name} is frozen");
        }
    }

    private static void CheckStart(OracleCase data, TorchTrainer trainer, NativeTensor[] trained, float[] logProbs, double tolerance)
    {
        using var token = data.Open("expected_token");
        var expected = token.ReadFloats("logp");
        Assert.Multiple(() =>
        {
            for (var n = 0; n < logProbs.Length; n++)
            {
                if (data.Counts[n])
                {
                    Assert.That(logProbs[n], Is.EqualTo(expected[data.Cells[n]]).Within(data.Tolerance("logp_abs")), $"log-prob {n}");
                }
            }
        });
        using var gradients = data.Open("expected_grads");
        foreach (var tensor in trained)
        {
            var want = gradients.ReadFloats(tensor.Name);
            var got = new float[want.Length];
            trainer.GetState(NativeTrainerState.Gradient, tensor.Name, got);
            var largest = want.Max(MathF.Abs);
            Assert.That(want.Zip(got, (a, b) => Math.Abs(a - b)).Max(), Is.LessThanOrEqualTo(tolerance * largest), $"gradient of {tensor.Name}");
        }
    }

    private static void CheckEnd(OracleCase data, NativeTensor[] trained, Dictionary<string, float[]> before)
    {
        using var after = data.Open("expected_params_step3");
        foreach (var tensor in trained)
        {
            var want = after.ReadFloats(tensor.Name);
            var got = Values(data.Policy, tensor);
            double worst = 0, difference = 0, update = 0;
            for (var i = 0; i < want.Length; i++)
            {
                worst = Math.Max(worst, Math.Abs(want[i] - got[i]));
                difference += Math.Pow(want[i] - got[i], 2);
                update += Math.Pow(want[i] - before[tensor.Name][i], 2);
            }

            Assert.That(worst, Is.LessThanOrEqualTo(data.Tolerance("params_step3_abs")), tensor.Name);
            if (data.Manifest.GetProperty("tolerance").TryGetProperty("params_step3_update_l2_relative", out var relative))
            {
                Assert.That(Math.Sqrt(difference), Is.LessThanOrEqualTo(relative.GetDouble() * Math.Sqrt(update)), tensor.Name);
            }
        }
    }

    private static float[] Values(NativePolicy policy, NativeTensor tensor)
    {
        var values = new float[tensor.Count];
        policy.GetTensor(tensor.Name, values);
        return values;
    }
}
