using LlasaNative.Text;

namespace LlasaNative.Training;

/// <summary>The sections that GRPO and supervised training share.</summary>
internal static class SharedSections
{
    public static void Models<T>(OptionSection<T, ModelOptions> section)
    {
        section.Path("policy", "Llama policy that is trained.", "directory", s => s.Policy, (s, v) => s with { Policy = v });
        section.Path("codec", "X-Codec2 codec.", "directory", s => s.Codec, (s, v) => s with { Codec = v });
        section.Path("recogniser", "Whisper recogniser that judges.", "directory", s => s.Recogniser, (s, v) => s with { Recogniser = v });
        section.Choice("policy_type", "Element type of the policy's matrices while it speaks and is trained; the optimiser, checkpoints and sums are float32.", s => s.PolicyType, (s, v) => s with { PolicyType = v });
        section.Choice("scoring_type", "Element type of the matrices and filters of codec and recogniser.", s => s.ScoringType, (s, v) => s with { ScoringType = v });
    }

    public static void Prompt<T>(OptionSection<T, PromptOptions> section)
    {
        section.Choice("style", "Chat template; auto reads it off the policy's directory.", s => s.Style, (s, v) => s with { Style = v });
        section.Text("date", "Date line of the Llama 3.2 system block.", "text", s => s.Date, (s, v) => s with { Date = v });
        section.Text("instruction", "What the user asks before the text.", "text", s => s.Instruction, (s, v) => s with { Instruction = v });
    }

    public static void Data<T>(OptionSection<T, DataOptions> section)
    {
        section.Path("train", "Training texts; empty: the training sentences that come with the program.", "file", s => s.Train, (s, v) => s with { Train = v });
        section.Path("evaluation", "Held-out texts; empty: the validation sentences that come with the program.", "file", s => s.Evaluation, (s, v) => s with { Evaluation = v });
        section.Text("text_field", "Field that holds the text, for files with fields.", "name", s => s.TextField, (s, v) => s with { TextField = v });
        section.Choice("faulty_rows", "Rows that hold no text or are too long for the models: refuse the file, or skip and report them.", s => s.FaultyRows, (s, v) => s with { FaultyRows = v });
        section.Whole("max_prompt_tokens", "Longest prompt in tokens, instructions included; 0: what the model has room for.", 0, int.MaxValue, s => s.MaxPromptTokens, (s, v) => s with { MaxPromptTokens = (int)v });
        section.Whole("limit", "Use only the first so many texts; 0: all.", 0, int.MaxValue, s => s.Limit, (s, v) => s with { Limit = (int)v });
        section.Flag("shuffle", "Go through the texts in another order each epoch.", s => s.Shuffle, (s, v) => s with { Shuffle = v });
    }

    public static void Optimiser<T>(OptionSection<T, OptimiserOptions> section)
    {
        section.Number("learning_rate", "Highest learning rate.", "number, at least 0", v => v >= 0, s => s.LearningRate, (s, v) => s with { LearningRate = v });
        section.Whole("warmup_steps", "Steps over which the rate rises linearly.", 0, int.MaxValue, s => s.WarmupSteps, (s, v) => s with { WarmupSteps = (int)v });
        section.Choice("schedule", "What the rate does after warm-up.", s => s.Schedule, (s, v) => s with { Schedule = v });
        section.Number("final_ratio", "Share of the highest rate that cosine and linear end at.", "number, 0 to 1", v => v is >= 0 and <= 1, s => s.FinalRatio, (s, v) => s with { FinalRatio = v });
        section.Whole("decay_steps", "Steps at the end over which cosine and linear decay; 0: all after warm-up.", 0, int.MaxValue, s => s.DecaySteps, (s, v) => s with { DecaySteps = (int)v });
        section.Number("beta1", "Decay of the first moment.", "number, 0 to less than 1", v => v is >= 0 and < 1, s => s.Beta1, (s, v) => s with { Beta1 = v });
        section.Number("beta2", "Decay of the second moment.", "number, 0 to less than 1", v => v is >= 0 and < 1, s => s.Beta2, (s, v) => s with { Beta2 = v });
        section.Number("epsilon", "Added to the root of the second moment.", "number, more than 0", v => v > 0, s => s.Epsilon, (s, v) => s with { Epsilon = v });
        section.Number("weight_decay", "Decoupled weight decay.", "number, at least 0", v => v >= 0, s => s.WeightDecay, (s, v) => s with { WeightDecay = v });
        section.Number("max_grad_norm", "Global L2 norm that gradients are scaled down to; 0: off.", "number, at least 0", v => v >= 0, s => s.MaxGradNorm, (s, v) => s with { MaxGradNorm = v });
        section.Whole("micro_batch_tokens", "Tokens of one forward and backward pass.", 1, long.MaxValue, s => s.MicroBatchTokens, (s, v) => s with { MicroBatchTokens = v });
        section.Flag("recompute", "Compute each layer again in the backward pass: less memory, more time.", s => s.Recompute, (s, v) => s with { Recompute = v });
    }

    public static void Run<T>(OptionSection<T, RunOptions> section)
    {
        section.Path("out", "Directory of the run.", "directory", s => s.Out, (s, v) => s with { Out = v });
        section.Whole("steps", "Optimiser steps.", 1, int.MaxValue, s => s.Steps, (s, v) => s with { Steps = (int)v });
        section.Whole("seed", "Every random number of the run follows from it.", 0, long.MaxValue, s => s.Seed, (s, v) => s with { Seed = v });
        section.Whole("save_every", "Save a checkpoint every so many steps; 0: only at the end and on interruption.", 0, int.MaxValue, s => s.SaveEvery, (s, v) => s with { SaveEvery = (int)v });
        section.Whole("keep", "Newest checkpoints that stay; 0: all.", 0, int.MaxValue, s => s.Keep, (s, v) => s with { Keep = (int)v });
        section.Whole("evaluate_every", "Evaluate on held-out texts every so many steps; 0: never.", 0, int.MaxValue, s => s.EvaluateEvery, (s, v) => s with { EvaluateEvery = (int)v });
        section.Whole("evaluate_texts", "Held-out texts of an evaluation during training.", 1, int.MaxValue, s => s.EvaluateTexts, (s, v) => s with { EvaluateTexts = (int)v });
        section.Whole("samples_every", "Write sounds of the step's samples as WAV every so many steps; 0: never.", 0, int.MaxValue, s => s.SamplesEvery, (s, v) => s with { SamplesEvery = (int)v });
        section.Whole("sounds_kept", "How many sounds of such a step: worst and best by reward, the others evenly between; 0: all.", 0, int.MaxValue, s => s.SoundsKept, (s, v) => s with { SoundsKept = (int)v });
        section.Flag("prosody", "Measure pitch, pauses and speed of every sample.", s => s.Prosody, (s, v) => s with { Prosody = v });
        section.Flag("tensor_board", "Write TensorBoard event files.", s => s.TensorBoard, (s, v) => s with { TensorBoard = v });
        section.Choice("export_type", "Element type of the exported policy; checkpoints are always float32.", s => s.ExportType, (s, v) => s with { ExportType = v });
        section.Number("time_limit_minutes", "Safety stop after so many minutes; 0: none. The result then depends on the machine.", "number, at least 0", v => v >= 0, s => s.TimeLimitMinutes, (s, v) => s with { TimeLimitMinutes = v });
    }
}
