namespace LlasaNative.Training;

/// <summary>How long a run is, and what it writes where.</summary>
[RemovedOption("run.sounds_kept", "they are 6: the best, the worst and others between, every `run.samples_every` steps")]
[RemovedOption("run.prosody", "it is always measured")]
[RemovedOption("run.tensor_board", "event files are always written")]
public sealed record RunOptions
{
    [Option("Directory of the run: metrics, samples, checkpoints, the trained policy.", Takes = "directory", IsPath = true, FreeOnResume = true, Verl = "trainer.default_local_dir")]
    public string Out { get; init; } = "runs/grpo";

    [Option("Optimiser steps.", AtLeast = 1, FreeOnResumeWhen = "optimiser.schedule=constant", Verl = "trainer.total_training_steps")]
    public int Steps { get; init; } = 200;

    [Option("Every random number of the run follows from it.", AtLeast = 0, Verl = "data.seed")]
    public long Seed { get; init; } = 1;

    [Option("Save a checkpoint every so many steps; 0: only at the end and on interruption.", AtLeast = 0, FreeOnResume = true, Verl = "trainer.save_freq")]
    public int SaveEvery { get; init; } = 50;

    [Option("Newest checkpoints that stay; 0: all.", AtLeast = 0, FreeOnResume = true, Verl = "trainer.max_actor_ckpt_to_keep")]
    public int Keep { get; init; } = 2;

    [Option("Evaluate on held-out texts every so many steps; 0: never.", AtLeast = 0, FreeOnResume = true, Verl = "trainer.test_freq")]
    public int EvaluateEvery { get; init; }

    [Option("Held-out texts of an evaluation during training.", AtLeast = 1, FreeOnResume = true, Verl = "data.val_max_samples")]
    public int EvaluateTexts { get; init; } = 100;

    [Option("Write sounds of the step's samples as WAV every so many steps; 0: never.", AtLeast = 0, FreeOnResume = true)]
    public int SamplesEvery { get; init; } = 20;

    [Option("Element type of the exported policy; checkpoints are always float32.", FreeOnResume = true)]
    public SaveType ExportType { get; init; } = SaveType.Bf16;

    [Option("Safety stop; 0: none. The result then depends on the machine.", AtLeast = 0, Unit = "minutes", FreeOnResume = true)]
    public double TimeLimitMinutes { get; init; }
}
