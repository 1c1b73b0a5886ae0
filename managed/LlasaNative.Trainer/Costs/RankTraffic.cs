namespace LlasaNative.Trainer.Costs;

/// <summary>What a rank sends to the others in a step, in bytes; it receives as much.</summary>
/// <param name="Gradients">f32, each number to the rank that updates it.</param>
/// <param name="Weights">Those it updated, or holds its part of, to all others.</param>
internal readonly record struct RankTraffic(double Gradients, double Weights)
{
    /// <summary>All of it at 100 Gb/s.</summary>
    public double SecondsAt100GbPerS => (Gradients + Weights) / 12.5e9;

    /// <summary>Counts.</summary>
    /// <param name="policy">Sizes of the policy; gains are left out.</param>
    /// <param name="updates">Optimiser steps of a step.</param>
    /// <param name="microBatches">Of a step, of all ranks together.</param>
    public static RankTraffic Of(GrpoOptions options, LlamaConfig policy, int ranks, double updates, double microBatches)
    {
        double layer = Layer(policy), table = (double)policy.VocabularySize * policy.HiddenSize;
        var all = (policy.Layers * layer) + ((policy.TieWordEmbeddings ? 1 : 2) * table);
        var sent = (double)(ranks - 1) / ranks;
        if (!options.Trainer.ShardWeights)
        {
            var trained = 4 * (options.Lora.Enabled ? Adapter(options, policy) : all);
            return new RankTraffic(updates * trained * sent, updates * trained * sent);
        }

        double element = options.Models.PolicyType == ComputeType.F32 ? 4 : 2;
        // Every rank takes part in as many passes as the one that has most: forward each layer, and back each but the last, which is still there.
        var passes = updates * Math.Ceiling(microBatches / updates / ranks);
        var brought = (((2 * policy.Layers) - 1) * layer) + ((policy.TieWordEmbeddings ? 1 : 2) * table);
        var reference = !options.Loss.KeepsReference ? 0 : options.Loss.ReferenceType(options.Models.PolicyType) switch
        {
            ComputeType.F32 => 4.0,
            ComputeType.Bf16 => 2,
            _ => 0,   // 8 bits, which every rank has whole
        };
        // Forward alone, of each sample once; and all weights for the rollouts.
        var scored = reference * Math.Ceiling(microBatches / options.Update.Epochs / ranks) * all;
        return new RankTraffic(passes * 4 * all * sent, sent * ((element * ((passes * brought) + all)) + scored));
    }

    private static double Widths(LlamaConfig c) => (double)c.HeadDimension * (c.QueryHeads + (2 * c.KeyValueHeads));

    private static double Layer(LlamaConfig c) =>
        (c.HiddenSize * (Widths(c) + ((double)c.QueryHeads * c.HeadDimension))) + (3.0 * c.HiddenSize * c.IntermediateSize);

    /// <summary>One beside every product: its rank times what goes in and what comes out.</summary>
    internal static double Adapter(GrpoOptions options, LlamaConfig c)
    {
        double width = (double)c.QueryHeads * c.HeadDimension, keyValue = 2.0 * c.KeyValueHeads * c.HeadDimension;
        return c.Layers * options.Lora.Rank * ((2.0 * c.HiddenSize) + (2 * width) + (2 * keyValue) + (4.0 * c.HiddenSize) + (3.0 * c.IntermediateSize));
    }
}
