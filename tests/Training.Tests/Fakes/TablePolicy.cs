using LlasaNative.Data;
using LlasaNative.Models;

namespace LlasaNative.Training.Tests.Fakes;

/// <summary>A policy whose log-probs are a table: one logit per token, whatever came before. Tokens 0, 1, 2 are codes, 3 ends.</summary>
internal sealed class TablePolicy : IPolicy
{
    public const int End = 3;

    /// <summary>Prompts begin with it.</summary>
    public const int Start = 9;

    /// <summary>Codes of a voice follow the text, from this on.</summary>
    public const int Voice = 1000;

    /// <summary>[4] the weights.</summary>
    public double[] Logits { get; } = [0.3, 0.1, -0.2, 0.5];

    /// <summary>[4] what an adapter adds; null without one.</summary>
    public double[]? Adapter { get; init; }

    /// <summary>What sample j of a text says; null = drawn by chance.</summary>
    public Func<string, int, int[]>? Script { get; init; }

    /// <summary>Calls, in order.</summary>
    public List<string> Calls { get; init; } = [];

    /// <summary>Keys of the random numbers of all samples drawn.</summary>
    public List<ulong> Ids { get; } = [];

    public int Copies { get; private set; }

    public bool AdapterIsOn { get; private set; } = true;

    public string Name => "table";

    public int CodeCount => 3;

    public IReadOnlyList<PolicyTensor> Trained => [new("logits", [4])];

    public bool HasAdapter => Adapter is not null;

    public ComputeType ComputeType => ComputeType.F32;

    public long AllocatedBytes => 32;

    public double LogProb(int token) => Log(1)[token];

    public int[] EncodePrompt(string text, int maxNewTokens, int maxPromptTokens = 0, Utterance? voice = null)
    {
        Calls.Add("encode");
        return maxPromptTokens > 0 && text.Length > maxPromptTokens ? throw new UsageException($"{text} is too long") : [Start, .. text.Select(c => (int)c), .. voice?.Codes.Select(code => Voice + code) ?? []];
    }

    public int[] EncodeResponse(IReadOnlyList<int> codes) => [.. codes, End];

    public int[] ReadCodes(ReadOnlySpan<int> response) => [.. response.ToArray().Where(t => t < End)];

    public RolloutBatch Sample(SampleRequest request, CancellationToken cancellation)
    {
        Calls.Add("sample");
        Ids.AddRange(request.Ids);
        var logProbs = Log(request.Settings.Temperature);
        List<DrawnResponse> samples = [];
        for (var i = 0; i < request.Ids.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            var prompt = request.Prompts[i / request.SamplesPerPrompt];
            string text = new([.. prompt.Skip(1).TakeWhile(c => c < Voice).Select(c => (char)c)]);
            var tokens = Script?.Invoke(text, i % request.SamplesPerPrompt) ?? Draw(request.Settings, request.Ids[i], logProbs);
            float[] drawn = [.. tokens.Select(t => (float)logProbs[t])];
            samples.Add(new DrawnResponse(tokens, drawn, Array.ConvertAll(drawn, l => l + 0.25f), tokens[^1] == End));
            request.Finished?.Invoke(i, ReadCodes(tokens));
        }

        return new RolloutBatch(request.Prompts, samples);
    }

    public float[] Score(PackedSequences sequences, HeadSettings head, long microBatchTokens)
    {
        Calls.Add("score");
        var logProbs = Log(head.Temperature);
        return [.. Responses(sequences).Select(t => (float)logProbs[t])];
    }

    public void UseAdapter(bool active) => AdapterIsOn = active;

    public IPolicy CopyFrozen(ComputeType type)
    {
        Copies++;
        TablePolicy copy = new() { Calls = Calls };
        Logits.CopyTo(copy.Logits, 0);
        return copy;
    }

    public void ReadTensor(string name, Span<float> values)
    {
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = (float)Logits[i];
        }
    }

    public void WriteTensor(string name, ReadOnlySpan<float> values)
    {
        for (var i = 0; i < values.Length; i++)
        {
            Logits[i] = values[i];
        }
    }

    public void Dispose() => Calls.Add("dispose");

    /// <summary>The response tokens of packed sequences.</summary>
    public static IEnumerable<int> Responses(PackedSequences sequences)
    {
        List<int> tokens = [];
        for (var b = 0; b < sequences.Count; b++)
        {
            tokens.AddRange(sequences.TokenIds[(int)(sequences.Offsets[b] + sequences.PromptLengths[b])..(int)sequences.Offsets[b + 1]]);
        }

        return tokens;
    }

    /// <summary>[4] log-softmax of the table.</summary>
    public double[] Log(double temperature)
    {
        double[] scaled = [.. Logits.Select((l, i) => (l + (AdapterIsOn ? Adapter?[i] ?? 0 : 0)) / temperature)];
        var sum = Math.Log(scaled.Sum(Math.Exp));
        return [.. scaled.Select(l => l - sum)];
    }

    private static int[] Draw(SamplingSettings settings, ulong id, double[] logProbs)
    {
        List<int> tokens = [];
        while (tokens.Count < settings.MaxNewTokens && (tokens.Count == 0 || tokens[^1] != End))
        {
            var left = (Philox.Draw(settings.Seed, id, (ulong)tokens.Count).First >> 11) * (1.0 / (1UL << 53));
            var token = 0;
            for (; token < End && (left -= Math.Exp(logProbs[token])) > 0; token++)
            {
            }

            tokens.Add(token);
        }

        return [.. tokens];
    }
}
