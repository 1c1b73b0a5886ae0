using LlasaNative.Models;

namespace LlasaNative.Training;

/// <summary>The sections that only reinforcement learning has.</summary>
internal static class GrpoSections
{
    public static void Rollout(OptionSection<GrpoOptions, RolloutOptions> section)
    {
        section.Whole("prompts_per_step", "Texts per step.", 1, 1_000_000, s => s.PromptsPerStep, (s, v) => s with { PromptsPerStep = (int)v });
        section.Whole("samples_per_prompt", "Samples per text: the size of a group.", 1, 10_000, s => s.SamplesPerPrompt, (s, v) => s with { SamplesPerPrompt = (int)v });
        section.Number("temperature", "Softmax temperature, also of the log-probs that are trained on.", "number, more than 0", v => v > 0, s => s.Temperature, (s, v) => s with { Temperature = v });
        section.Whole("top_k", "Draw from the k most probable tokens only; 0: all. Log-probs ignore it: a bias that loss.importance weighs down.", 0, int.MaxValue, s => s.TopK, (s, v) => s with { TopK = (int)v });
        section.Number("top_p", "Draw from the smallest set with this much probability; 1: all. Log-probs ignore it: a bias that loss.importance weighs down.", "number, more than 0, at most 1", v => v is > 0 and <= 1, s => s.TopP, (s, v) => s with { TopP = v });
        section.Number("min_p", "Drop tokens less probable than this share of the best; 0: none. Log-probs ignore it: a bias that loss.importance weighs down.", "number, 0 to less than 1", v => v is >= 0 and < 1, s => s.MinP, (s, v) => s with { MinP = v });
        section.Number("repetition_penalty", "Penalty on tokens that came before; 1: none. Training does not apply it: the logged gap shows it.", "number, more than 0", v => v > 0, s => s.RepetitionPenalty, (s, v) => s with { RepetitionPenalty = v });
        section.Whole("max_new_tokens", "Longest response in tokens, the end token included.", 1, int.MaxValue, s => s.MaxNewTokens, (s, v) => s with { MaxNewTokens = (int)v });
        section.Whole("min_new_tokens", "The end token cannot be drawn before this many tokens.", 0, int.MaxValue, s => s.MinNewTokens, (s, v) => s with { MinNewTokens = (int)v });
        section.Flag("speech_only", "Restrict head and softmax to speech tokens and the end token, in rollouts and training alike.", s => s.SpeechOnly, (s, v) => s with { SpeechOnly = v });
        section.Flag("dynamic", "Dynamic sampling: draw groups without variance again, from the next texts.", s => s.Dynamic, (s, v) => s with { Dynamic = v });
        section.Whole("dynamic_rounds", "Most rounds of drawing of one step, the first included; dynamic sampling needs this bound. Groups still without variance are left out.", 0, 1000, s => s.DynamicRounds, (s, v) => s with { DynamicRounds = (int)v });
        section.Choice("overlap_scoring", "Score finished samples while others are still drawn; no result depends on it. auto: with reward servers or a GPU.", s => s.OverlapScoring, (s, v) => s with { OverlapScoring = v });
        section.Whole("slots", "Sequences decoded at once; no result depends on it.", 1, 1_000_000, s => s.Slots, (s, v) => s with { Slots = (int)v });
        section.Whole("readback_steps", "Tokens drawn between two looks at which samples have ended; 0: 8 on a GPU, 1 on the CPU. More waits less and leaves places of ended samples empty longer.", 0, 1024, s => s.ReadbackSteps, (s, v) => s with { ReadbackSteps = (int)v });
    }

    public static void Scoring(OptionSection<GrpoOptions, ScoringOptions> section)
    {
        section.Choice("prompt", "What stands before the text whose likelihood is measured: start of transcript alone, or with language and task.", s => s.Prompt, (s, v) => s with { Prompt = v });
        section.Text("language", "Language of the texts; auto: detected; default: English, and no language is asked of an English-only recogniser, which refuses any other value.", "code or name such as en, ko-KR, English; auto, default", s => s.Language, (s, v) => s with { Language = v });
        section.Choice("leading_space", "Measure texts with a space before them, as the public models were trained; auto: where prompt is full and the vocabulary has words that begin with a space.", s => s.LeadingSpace, (s, v) => s with { LeadingSpace = v });
        section.Whole("max_tokens", "Longest transcript in tokens; 0: what the model allows.", 0, int.MaxValue, s => s.MaxTokens, (s, v) => s with { MaxTokens = (int)v });
        section.Choice("early_end", "End a transcript that is so much longer than its text, or repeats itself, that nothing of the reward is left (docs/reward.md). auto: while training, unless a component of your own reads it; eval, score and compare hear everything.", s => s.EarlyEnd, (s, v) => s with { EarlyEnd = v });
        section.Whole("batch_size", "Clips given to the recogniser at once.", 1, 1_000_000, s => s.BatchSize, (s, v) => s with { BatchSize = (int)v });
        section.Whole("device", "GPU that codec and recogniser live on, by index; -1: the policy's (LLASA_DEVICE, else 0).", -1, 255, s => s.Device, (s, v) => s with { Device = (int)v });
    }

    public static void RewardServer(OptionSection<GrpoOptions, RewardServerOptions> section)
    {
        section.Text("servers", "Where they are; empty: codec and recogniser run in this process.", "URLs, separated by commas", s => s.Servers, (s, v) => s with { Servers = v });
        section.Number("timeout_seconds", "Longest wait for an answer.", "number, more than 0, at most 3600", v => v is > 0 and <= 3600, s => s.TimeoutSeconds, (s, v) => s with { TimeoutSeconds = v });
        section.Whole("retries", "Further attempts after a transient error.", 0, 100, s => s.Retries, (s, v) => s with { Retries = (int)v });
        section.Number("backoff_seconds", "Pause before the first of them; doubles each time, up to 10 s.", "number, 0 to 60", v => v is >= 0 and <= 60, s => s.BackoffSeconds, (s, v) => s with { BackoffSeconds = v });
        section.Whole("in_flight", "Requests each server works on at once.", 1, 1000, s => s.InFlight, (s, v) => s with { InFlight = (int)v });
        section.Number("max_not_scored", "Share of a step's samples that may be left out because nobody could score them; above, the run saves and stops.", "number, 0 to 1", v => v is >= 0 and <= 1, s => s.MaxNotScored, (s, v) => s with { MaxNotScored = v });
    }

    public static void Loss(OptionSection<GrpoOptions, LossOptions> section)
    {
        section.Choice("advantage", "How advantages are made from a group's rewards.", s => s.Advantage, (s, v) => s with { Advantage = v });
        section.Number("advantage_epsilon", "Added to the standard deviation of a group's rewards.", "number, at least 0", v => v >= 0, s => s.AdvantageEpsilon, (s, v) => s with { AdvantageEpsilon = v });
        section.Number("min_group_deviation", "A group whose rewards deviate by no more than this counts as without variance.", "number, at least 0", v => v >= 0, s => s.MinGroupDeviation, (s, v) => s with { MinGroupDeviation = v });
        section.Flag("mask_flat_groups", "Leave groups without variance out of the loss, its KL term and its token counts.", s => s.MaskFlatGroups, (s, v) => s with { MaskFlatGroups = v });
        section.Choice("ratio", "What the probability ratio is of: each token, or (GSPO) the whole sequence, its tokens' geometric mean.", s => s.Ratio, (s, v) => s with { Ratio = v });
        section.Choice("proximal", "The policy that ratios are taken against: the one that drew the samples, or the one at the start of the epoch.", s => s.Proximal, (s, v) => s with { Proximal = v });
        section.Choice("importance", "Truncated importance weights between that policy and what the tokens were really drawn with: top-p and its kin, older weights.", s => s.Importance, (s, v) => s with { Importance = v });
        section.Number("importance_cap", "Largest importance weight.", "number, at least 1", v => v >= 1, s => s.ImportanceCap, (s, v) => s with { ImportanceCap = v });
        section.Choice("aggregation", "How token losses are put together.", s => s.Aggregation, (s, v) => s with { Aggregation = v });
        section.Number("clip_low", "The ratio is clipped below 1 minus this.", "number, 0 to 1", v => v is >= 0 and <= 1, s => s.ClipLow, (s, v) => s with { ClipLow = v });
        section.Number("clip_high", "The ratio is clipped above 1 plus this.", "number, at least 0", v => v >= 0, s => s.ClipHigh, (s, v) => s with { ClipHigh = v });
        section.Number("dual_clip", "Bound on the loss of negative advantages, more than 1; 0: off.", "number, at least 0", v => v >= 0, s => s.DualClip, (s, v) => s with { DualClip = v });
        section.Number("kl_coefficient", "Weight of the KL divergence from the starting policy.", "number, at least 0", v => v >= 0, s => s.KlCoefficient, (s, v) => s with { KlCoefficient = v });
        section.Choice("kl_estimator", "k1 = log ratio, k2 = its square / 2, k3 = ratio - 1 - log ratio. k1 in the loss has a gradient of 0 on average.", s => s.KlEstimator, (s, v) => s with { KlEstimator = v });
        section.Choice("kl_placement", "Charge the divergence in the loss, or in the reward.", s => s.KlPlacement, (s, v) => s with { KlPlacement = v });
        section.Choice("reference", "How the starting policy is kept: auto keeps it in models.policy_type when the KL coefficient is above 0. bf16 takes half the memory; beside a policy in f32 its rounding is part of the divergence.", s => s.Reference, (s, v) => s with { Reference = v });
        section.Number("entropy_coefficient", "Weight of the entropy bonus.", "number, at least 0", v => v >= 0, s => s.EntropyCoefficient, (s, v) => s with { EntropyCoefficient = v });
    }

    public static void Update(OptionSection<GrpoOptions, UpdateOptions> section)
    {
        section.Whole("epochs", "Passes over a step's samples.", 1, 1000, s => s.Epochs, (s, v) => s with { Epochs = (int)v });
        section.Whole("mini_batch_prompts", "Groups of one optimiser update; 0: all of the step.", 0, 1_000_000, s => s.MiniBatchPrompts, (s, v) => s with { MiniBatchPrompts = (int)v });
        section.Flag("shuffle", "Go through the groups in another order each epoch.", s => s.Shuffle, (s, v) => s with { Shuffle = v });
    }

    public static void Lora(OptionSection<GrpoOptions, LoraOptions> section)
    {
        section.Flag("enabled", "Train an adapter; checkpoints hold the adapter as PEFT reads it, the exported policy has it merged in.", s => s.Enabled, (s, v) => s with { Enabled = v });
        section.Whole("rank", "Rank of the adapter's matrices.", 0, 4096, s => s.Rank, (s, v) => s with { Rank = (int)v });
        section.Number("alpha", "The adapter's product is scaled by alpha / rank.", "number, more than 0", v => v > 0, s => s.Alpha, (s, v) => s with { Alpha = v });
        section.Number("dropout", "Share of the adapter's inputs that a training pass leaves out; rollouts and log-probs of frozen policies leave out none, so ratios and the log-prob gap then have its noise in them.", "number, at least 0, below 1", v => v is >= 0 and < 1, s => s.Dropout, (s, v) => s with { Dropout = v });
        section.Text("targets", "Projections the adapter stands beside.", "some of " + string.Join(",", LoraOptions.Modules), s => s.Targets, (s, v) => s with { Targets = v });
    }

    public static void Evaluation(OptionSection<GrpoOptions, EvaluationOptions> section)
    {
        section.Whole("samples", "Samples of each text.", 1, 10_000, s => s.Samples, (s, v) => s with { Samples = (int)v });
        section.Number("temperature", "Softmax temperature; 0: greedy.", "number, at least 0", v => v >= 0, s => s.Temperature, (s, v) => s with { Temperature = v });
        section.Whole("top_k", "Draw from the k most probable tokens only; 0: all.", 0, int.MaxValue, s => s.TopK, (s, v) => s with { TopK = (int)v });
        section.Number("top_p", "Draw from the smallest set with this much probability; 1: all.", "number, more than 0, at most 1", v => v is > 0 and <= 1, s => s.TopP, (s, v) => s with { TopP = v });
        section.Whole("max_new_tokens", "Longest response in tokens; 0: as in training.", 0, int.MaxValue, s => s.MaxNewTokens, (s, v) => s with { MaxNewTokens = (int)v });
        section.Whole("batch_size", "Texts spoken at once; no result depends on it.", 1, 1_000_000, s => s.BatchSize, (s, v) => s with { BatchSize = (int)v });
    }
}
