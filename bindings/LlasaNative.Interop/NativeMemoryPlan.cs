using System.Runtime.InteropServices;

namespace LlasaNative.Interop;

/// <summary>One thing that device memory is taken for.</summary>
/// <param name="Stage">policy, optimiser, rollouts, reference, training, codec or recogniser; <see cref="Phases"/> for the memory that those share.</param>
/// <param name="What">What is allocated, in the words of an out-of-memory message.</param>
/// <param name="Bytes">When there was most of it.</param>
/// <param name="OnHost">Page-locked memory of the host, of which the peak has nothing.</param>
/// <param name="InTurn">There while its phase runs, in memory of stage <see cref="Phases"/>, which counts in its place.</param>
public sealed record NativeMemoryItem(string Stage, string What, long Bytes, bool OnHost = false, bool InTurn = false)
{
    /// <summary>The stage of memory that phases take turns with.</summary>
    public const string Phases = "phases";
}

/// <summary>A run whose memory is to be counted; parts that are null take nothing.</summary>
public sealed record NativePlannedRun
{
    /// <summary>The policy.</summary>
    public NativePolicyOptions? Policy { get; init; }

    /// <summary>The frozen policy that scores every step.</summary>
    public NativePolicyOptions? Reference { get; init; }

    /// <summary>An adapter in place of all weights.</summary>
    public NativeLoraOptions? Lora { get; init; }

    /// <summary>Gradients, moments and the training pass.</summary>
    public NativeTrainerOptions? Trainer { get; init; }

    /// <summary>Which ids the head computes.</summary>
    public NativeHeadOptions? Head { get; init; }

    /// <summary>Decoding.</summary>
    public NativeRolloutOptions? Rollout { get; init; }

    /// <summary>How tokens are drawn.</summary>
    public NativeSamplingOptions? Sampling { get; init; }

    /// <summary>The codec.</summary>
    public NativeCodecOptions? Codec { get; init; }

    /// <summary>The recogniser.</summary>
    public NativeWhisperOptions? Whisper { get; init; }

    /// <summary>Prompts of a step.</summary>
    public long Prompts { get; init; } = 1;

    /// <summary>Samples of each.</summary>
    public long SamplesPerPrompt { get; init; } = 1;

    /// <summary>Tokens of the longest prompt.</summary>
    public long PromptTokens { get; init; } = 1;

    /// <summary>Tokens of the longest response; every one is taken to be so long.</summary>
    public long ResponseTokens { get; init; } = 1;

    /// <summary>Clips vocoded and listened to together.</summary>
    public long Clips { get; init; } = 1;

    /// <summary>Tokens of the longest transcript.</summary>
    public long TextTokens { get; init; } = 1;

    /// <summary>Counted as the CUDA backend takes it, whatever backend counts and without a device.</summary>
    public bool ForGpu { get; init; }
}

/// <summary>Device memory of a run, counted by the code that allocates it, without allocating any.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed class NativeMemoryPlan
{
    private NativeMemoryPlan(IReadOnlyList<NativeMemoryItem> items, long peakBytes) => (Items, PeakBytes) = (items, peakBytes);

    /// <summary>What memory is taken for, in the order of first use.</summary>
    public IReadOnlyList<NativeMemoryItem> Items { get; }

    /// <summary>Most that is live on the device at one time.</summary>
    public long PeakBytes { get; }

    /// <summary>Counts.</summary>
    /// <param name="run">The run.</param>
    /// <exception cref="NativeException">A size is out of range, or two contradict each other.</exception>
    public static unsafe NativeMemoryPlan Of(NativePlannedRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        var (policy, reference, lora, trainer, head) = (run.Policy ?? default, run.Reference ?? default, run.Lora ?? default, run.Trainer ?? default, run.Head ?? default);
        var (rollout, sampling, codec, whisper) = (run.Rollout ?? default, run.Sampling ?? default, run.Codec ?? default, run.Whisper ?? default);
        var options = MemoryPlanOptionsRaw.CreateDefault();
        options.Policy = run.Policy is null ? null : &policy;
        options.Reference = run.Reference is null ? null : &reference;
        options.Lora = run.Lora is null ? null : &lora;
        options.Trainer = run.Trainer is null ? null : &trainer;
        options.Head = run.Head is null ? null : &head;
        options.Rollout = run.Rollout is null ? null : &rollout;
        options.Sampling = run.Sampling is null ? null : &sampling;
        options.Codec = run.Codec is null ? null : &codec;
        options.Whisper = run.Whisper is null ? null : &whisper;
        options.NumPrompts = run.Prompts;
        options.SamplesPerPrompt = run.SamplesPerPrompt;
        options.PromptTokens = run.PromptTokens;
        options.ResponseTokens = run.ResponseTokens;
        options.Clips = run.Clips;
        options.TextTokens = run.TextTokens;
        options.ForGpu = run.ForGpu ? 1u : 0u;
        long count, peak;
        Native.Check(NativeMethods.llasa_plan_memory(&options, &count, &peak));
        var items = new NativeMemoryItem[count];
        for (var i = 0; i < items.Length; i++)
        {
            var item = MemoryItemRaw.Create();
            Native.Check(NativeMethods.llasa_memory_plan_item(i, &item));
            items[i] = new NativeMemoryItem(Marshal.PtrToStringUTF8((nint)item.Stage)!, Marshal.PtrToStringUTF8((nint)item.What)!, item.Bytes, item.OnHost != 0, item.InTurn != 0);
        }

        return new NativeMemoryPlan(items, peak);
    }
}
