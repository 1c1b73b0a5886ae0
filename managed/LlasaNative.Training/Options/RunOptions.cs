namespace LlasaNative.Training;

/// <summary>How long a run is, and what it writes where.</summary>
public sealed record RunOptions
{
    /// <summary>Directory of the run: metrics, samples, checkpoints, the trained policy.</summary>
    public string Out { get; init; } = "runs/grpo";

    /// <summary>Optimiser steps.</summary>
    public int Steps { get; init; } = 200;

    /// <summary>Every random number of the run follows from it.</summary>
    public long Seed { get; init; } = 1;

    /// <summary>Save a checkpoint every so many steps; 0 = only at the end and on interruption.</summary>
    public int SaveEvery { get; init; } = 50;

    /// <summary>Newest checkpoints that stay; 0 = all.</summary>
    public int Keep { get; init; } = 2;

    /// <summary>Evaluate on held-out texts every so many steps; 0 = never.</summary>
    public int EvaluateEvery { get; init; }

    /// <summary>Held-out texts used by an evaluation during training.</summary>
    public int EvaluateTexts { get; init; } = 100;

    /// <summary>Write sounds of the step's samples as WAV every so many steps; 0 = never.</summary>
    public int SamplesEvery { get; init; } = 20;

    /// <summary>How many sounds of such a step: worst and best by reward, the others evenly between; 0 = all.</summary>
    public int SoundsKept { get; init; } = 6;

    /// <summary>Measure pitch, pauses and speed of every sample.</summary>
    public bool Prosody { get; init; } = true;

    /// <summary>Write TensorBoard event files.</summary>
    public bool TensorBoard { get; init; } = true;

    /// <summary>Element type of the exported policy; checkpoints for resuming are always float32.</summary>
    public SaveType ExportType { get; init; } = SaveType.Bf16;

    /// <summary>Stop and save after so many minutes; 0 = no limit. A safety stop: the result then depends on the machine.</summary>
    public double TimeLimitMinutes { get; init; }
}
