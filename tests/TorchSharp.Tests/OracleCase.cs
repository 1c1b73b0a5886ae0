using System.Text.Json;
using LlasaNative.Interop;
using LlasaNative.Models;
using LlasaNative.Tests.Support;
using LlasaNative.Training;
using LlasaNative.Weights;

namespace LlasaNative.Torch.Tests;

/// <summary>A training case of the oracle: a policy, a batch and its numbers per token, as PyTorch computed them.</summary>
internal sealed class OracleCase : IDisposable
{
    private readonly List<long> _offsets = [0], _prompts = [];
    private readonly List<int> _ids = [];
    private readonly List<float> _advantages = [], _policyWeights = [], _klWeights = [], _entropyWeights = [], _old = [], _reference = [], _caps = [];

    public OracleCase(string directory)
    {
        Directory = directory;
        Manifest = OracleData.Manifest(directory);
        Config = LlamaConfig.FromFile(Path.Combine(directory, "model", "config.json"));
        Policy = new NativePolicy(PolicyModel.ToNative(Config, ComputeType.F32, frozen: false));
        SetWeights(Path.Combine(directory, "model", "model.safetensors"));
        var loss = Manifest.GetProperty("loss");
        var adapter = Path.Combine(directory, "adapter", "adapter_model.safetensors");
        if (File.Exists(adapter))
        {
            var lora = NativeLoraOptions.CreateDefault();
            lora.Rank = Manifest.GetProperty("rank").GetInt32();
            lora.Alpha = Manifest.GetProperty("alpha").GetSingle();
            lora.Targets = Manifest.GetProperty("targets").EnumerateArray().Aggregate((NativeLoraTargets)0, (all, target) => all | TargetOf(target.GetString()!));
            Policy.AttachLora(lora);
            SetWeights(adapter);
            AdapterScale = lora.Alpha / lora.Rank;
        }

        Head = NativeHeadOptions.CreateDefault();
        Head.Temperature = loss.GetProperty("temperature").GetSingle();
        if (loss.TryGetProperty("restrict_vocab", out var allowed))
        {
            Head.RestrictStart = allowed.GetProperty("start").GetInt32();
            Head.RestrictEnd = allowed.GetProperty("end").GetInt32();
            Head.RestrictExtra = allowed.GetProperty("extra").GetInt32();
        }

        Loss = NativeLossOptions.CreateDefault();
        IsCrossEntropy = loss.GetProperty("kind").GetString() == "sft";
        Loss.PolicyTerm = IsCrossEntropy ? NativePolicyTerm.LogProb : NativePolicyTerm.Ratio;
        Loss.ClipLow = (float)Number(loss, "clip_low", 0.2);
        Loss.ClipHigh = (float)Number(loss, "clip_high", 0.2);
        Loss.Ratio = Text(loss, "ratio") == "sequence" ? NativeRatioLevel.Sequence : NativeRatioLevel.Token;
        Loss.KlEstimator = Text(loss, "kl_estimator") switch { "k1" => NativeKlEstimator.K1, "k2" => NativeKlEstimator.K2, _ => NativeKlEstimator.K3 };
        ReadBatch(loss);
    }

    public string Directory { get; }

    public JsonElement Manifest { get; }

    public LlamaConfig Config { get; }

    public NativePolicy Policy { get; }

    public double AdapterScale { get; } = 1;

    public bool IsCrossEntropy { get; }

    public NativeHeadOptions Head;

    public NativeLossOptions Loss;

    /// <summary>Places of the scored tokens in the case's [B, L] arrays.</summary>
    public List<int> Cells { get; } = [];

    /// <summary>Which scored tokens count.</summary>
    public List<bool> Counts { get; } = [];

    public NativeTokenBatch Batch => new(
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_offsets), System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_ids),
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_prompts));

    public NativeTokenTerms Terms => new()
    {
        Advantages = _advantages.ToArray(),
        PolicyWeights = _policyWeights.ToArray(),
        KlWeights = _klWeights.ToArray(),
        EntropyWeights = _entropyWeights.ToArray(),
        OldLogProbs = IsCrossEntropy ? [] : _old.ToArray(),
        RefLogProbs = IsCrossEntropy ? [] : _reference.ToArray(),
        PolicyCaps = _caps.ToArray(),
    };

    public TorchTrainerOptions Options
    {
        get
        {
            var optimizer = Manifest.GetProperty("optimizer");
            return new TorchTrainerOptions
            {
                WeightDecay = optimizer.GetProperty("weight_decay").GetDouble(), MaxGradNorm = optimizer.GetProperty("max_grad_norm").GetDouble(), AdapterScale = AdapterScale,
            };
        }
    }

    public double LearningRate => Manifest.GetProperty("optimizer").GetProperty("lr").GetDouble();

    public double Tolerance(string name) => Manifest.GetProperty("tolerance").GetProperty(name).GetDouble();

    public SafeTensorsFile Open(string name) => SafeTensorsFile.Open(Path.Combine(Directory, name + ".safetensors"));

    public static IEnumerable<TestCaseData> All(string family) =>
        OracleData.Cases(family).Select(directory => new TestCaseData(directory).SetArgDisplayNames(Path.GetFileName(directory)));

    public void Dispose() => Policy.Dispose();

    private void ReadBatch(JsonElement loss)
    {
        using var inputs = Open("inputs");
        int rows = (int)inputs.GetInfo("input_ids").Shape[0], width = (int)inputs.GetInfo("input_ids").Shape[1];
        var ids = Integers(inputs, "input_ids");
        var lengths = Integers(inputs, "lengths");
        float[] Values(string name) => inputs.Contains(name) ? inputs.ReadFloats(name) : new float[rows * width];
        float[] mask = Values("response_mask"), old = Values("old_logp"), reference = Values("ref_logp"), byToken = Values("token_advantages"), importance = Values("importance");
        var bySample = inputs.Contains("advantages") ? inputs.ReadFloats("advantages") : null;
        var total = 0;
        for (var b = 0; b < rows; b++)
        {
            total += Enumerable.Range(0, (int)lengths[b]).Count(t => t > 0 && mask[(b * width) + t] != 0);
        }

        double kl = Number(loss, "kl_coef", 0), entropy = Number(loss, "entropy_coef", 0), cap = Number(loss, "dual_clip_c", 0);
        for (var b = 0; b < rows; b++)
        {
            int length = (int)lengths[b], prompt = 1;
            while (prompt < length && mask[(b * width) + prompt] == 0)
            {
                prompt++;
            }

            var unmasked = Enumerable.Range(prompt, length - prompt).Count(t => mask[(b * width) + t] != 0);
            var weight = (float)(Text(loss, "agg") switch
            {
                "seq-mean-token-mean" => 1.0 / (rows * (double)unmasked),
                "constant" => 1.0 / (rows * Number(loss, "constant", 0)),
                _ => 1.0 / total,
            });
            for (var t = 0; t < length; t++)
            {
                _ids.Add((int)ids[(b * width) + t]);
                if (t < prompt)
                {
                    continue;
                }

                var cell = (b * width) + t;
                var counts = mask[cell] != 0;
                var advantage = IsCrossEntropy ? 1 : bySample is not null ? bySample[b] : byToken[cell];
                Cells.Add(cell);
                Counts.Add(counts);
                _advantages.Add(counts ? advantage : float.NaN);
                _policyWeights.Add(counts ? weight * (inputs.Contains("importance") ? importance[cell] : 1) : 0);
                _klWeights.Add(counts && !IsCrossEntropy ? (float)(kl / total) : 0);
                _entropyWeights.Add(counts ? (float)(entropy / total) : 0);
                _old.Add(counts ? old[cell] : float.NaN);
                _reference.Add(counts ? reference[cell] : float.NaN);
                _caps.Add(cap > 0 && advantage < 0 ? (float)(-advantage * cap) : float.PositiveInfinity);
            }

            _prompts.Add(prompt);
            _offsets.Add(_ids.Count);
        }

        if (IsCrossEntropy)
        {
            _klWeights.Clear();
        }
    }

    private void SetWeights(string path)
    {
        using var file = SafeTensorsFile.Open(path);
        var known = Policy.GetTensors().Select(t => t.Name).ToHashSet();
        foreach (var tensor in file.Tensors.Where(t => known.Contains(t.Name)))
        {
            Policy.SetTensor(tensor.Name, [.. tensor.Shape], file.ReadFloats(tensor.Name));
        }
    }

    private static long[] Integers(SafeTensorsFile file, string name)
    {
        var bytes = file.GetBytes(name);
        var info = file.GetInfo(name);
        return info.Type switch
        {
            TensorType.I64 => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, long>(bytes).ToArray(),
            TensorType.I32 => Array.ConvertAll(System.Runtime.InteropServices.MemoryMarshal.Cast<byte, int>(bytes).ToArray(), value => (long)value),
            _ => throw new NotSupportedException($"{name}: {info.Type}"),
        };
    }

    private static double Number(JsonElement element, string name, double otherwise) =>
        element.TryGetProperty(name, out var value) ? value.GetDouble() : otherwise;

    private static string? Text(JsonElement element, string name) => element.TryGetProperty(name, out var value) ? value.GetString() : null;

    private static NativeLoraTargets TargetOf(string module) => module switch
    {
        "q_proj" => NativeLoraTargets.Q,
        "k_proj" => NativeLoraTargets.K,
        "v_proj" => NativeLoraTargets.V,
        "o_proj" => NativeLoraTargets.O,
        "gate_proj" => NativeLoraTargets.Gate,
        "up_proj" => NativeLoraTargets.Up,
        "down_proj" => NativeLoraTargets.Down,
        _ => throw new ArgumentException(module),
    };
}
