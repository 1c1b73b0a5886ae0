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
        section.Whole("top_k", "Draw from the k most probable tokens only; 0: all. Log-probs ignore it: a known bias.", 0, int.MaxValue, s => s.TopK, (s, v) => s with { TopK = (int)v });
        section.Number("top_p", "Draw from the smallest set with this much probability; 1: all. Log-probs ignore it: a known bias.", "number, more than 0, at most 1", v => v is > 0 and <= 1, s => s.TopP, (s, v) => s with { TopP = v });
        section.Number("min_p", "Drop tokens less probable than this share of the best; 0: none. Log-probs ignore it: a known bias.", "number, 0 to less than 1", v => v is >= 0 and < 1, s => s.MinP, (s, v) => s with { MinP = v });
        section.Number("repetition_penalty", "Penalty on tokens that came before; 1: none. Training does not apply it: the logged gap shows it.", "number, more than 0", v => v > 0, s => s.RepetitionPenalty, (s, v) => s with { RepetitionPenalty = v });
        section.Whole("max_new_tokens", "Longest response in tokens, the end token included.", 1, int.MaxValue, s => s.MaxNewTokens, (s, v) => s with { MaxNewTokens = (int)v });
        section.Whole("min_new_tokens", "The end token cannot be drawn before this many tokens.", 0, int.MaxValue, s => s.MinNewTokens, (s, v) => s with { MinNewTokens = (int)v });
        section.Flag("speech_only", "Restrict head and softmax to speech tokens and the end token, in rollouts and training alike.", s => s.SpeechOnly, (s, v) => s with { SpeechOnly = v });
        section.Whole("slots", "Sequences decoded at once; no result depends on it.", 1, 1_000_000, s => s.Slots, (s, v) => s with { Slots = (int)v });
    }

    public static void Scoring(OptionSection<GrpoOptions, ScoringOptions> section)
    {
        section.Choice("prompt", "What stands before the text whose likelihood is measured: start of transcript alone, or with language and task.", s => s.Prompt, (s, v) => s with { Prompt = v });
        section.Text("language", "Language of the texts.", "code such as en, or auto", s => s.Language, (s, v) => s with { Language = v });
        section.Flag("leading_space", "Measure texts with a space before them, as the public models were trained.", s => s.LeadingSpace, (s, v) => s with { LeadingSpace = v });
        section.Whole("max_tokens", "Longest transcript in tokens; 0: what the model allows.", 0, int.MaxValue, s => s.MaxTokens, (s, v) => s with { MaxTokens = (int)v });
        section.Whole("batch_size", "Clips given to the recogniser at once.", 1, 1_000_000, s => s.BatchSize, (s, v) => s with { BatchSize = (int)v });
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
        section.Choice("aggregation", "How token losses are put together.", s => s.Aggregation, (s, v) => s with { Aggregation = v });
        section.Number("clip_low", "The ratio is clipped below 1 minus this.", "number, 0 to 1", v => v is >= 0 and <= 1, s => s.ClipLow, (s, v) => s with { ClipLow = v });
        section.Number("clip_high", "The ratio is clipped above 1 plus this.", "number, at least 0", v => v >= 0, s => s.ClipHigh, (s, v) => s with { ClipHigh = v });
        section.Number("dual_clip", "Bound on the loss of negative advantages, more than 1; 0: off.", "number, at least 0", v => v >= 0, s => s.DualClip, (s, v) => s with { DualClip = v });
        section.Number("kl_coefficient", "Weight of the KL divergence from the starting policy; 0: no reference is kept.", "number, at least 0", v => v >= 0, s => s.KlCoefficient, (s, v) => s with { KlCoefficient = v });
        section.Number("entropy_coefficient", "Weight of the entropy bonus.", "number, at least 0", v => v >= 0, s => s.EntropyCoefficient, (s, v) => s with { EntropyCoefficient = v });
    }
}
