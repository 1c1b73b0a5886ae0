using System.Globalization;

namespace LlasaNative.Training;

/// <summary>Options of a reinforcement-learning run that contradict each other; found before anything is loaded.</summary>
internal static class GrpoFaults
{
    /// <summary>All contradictions, in the words of the configuration.</summary>
    public static IEnumerable<string> Of(GrpoOptions options) =>
        [.. RewardSection.Faults(options.Reward), .. RewardServerOptions.Faults(options.RewardServer), .. Sampling(options), .. Loss(options), .. Updates(options), .. options.Lora.Faults()];

    private static IEnumerable<string> Sampling(GrpoOptions options)
    {
        var rollout = options.Rollout;
        if (rollout.MinNewTokens >= rollout.MaxNewTokens)
        {
            yield return "`rollout.min_new_tokens` must be less than `rollout.max_new_tokens`";
        }

        if (rollout.Dynamic && rollout.DynamicRounds < 1)
        {
            yield return "`rollout.dynamic` needs a bound: set `rollout.dynamic_rounds` to at least 1";
        }

        if (rollout.Dynamic && rollout.SamplesPerPrompt < 2)
        {
            yield return "`rollout.dynamic` needs `rollout.samples_per_prompt` of at least 2: a group of one has no variance";
        }

        if (rollout.Dynamic && options.Loss.Advantage == AdvantageEstimator.ReinforcePlusPlus)
        {
            yield return "`rollout.dynamic` contradicts `loss.advantage` reinforce_plus_plus, for which groups do not matter";
        }
    }

    private static IEnumerable<string> Loss(GrpoOptions options)
    {
        var (loss, group) = (options.Loss, options.Rollout.SamplesPerPrompt);
        if (loss.DualClip is > 0 and <= 1)
        {
            yield return "`loss.dual_clip` must be 0 or more than 1";
        }

        if (group < 2 && loss.Advantage is AdvantageEstimator.Rloo or AdvantageEstimator.ReinforcePlusPlusBaseline)
        {
            yield return $"`loss.advantage` {OptionNames.Of(loss.Advantage)} needs `rollout.samples_per_prompt` of at least 2";
        }

        if (loss.KlCoefficient > 0 && !loss.KeepsReference)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"`loss.kl_coefficient` {loss.KlCoefficient:R} needs a reference, but `loss.reference` is none");
        }

        if (loss.Proximal == ProximalPolicy.Epoch && options.Update.Epochs == 1)
        {
            yield return "`loss.proximal` epoch needs `update.epochs` of at least 2: in the first epoch both policies are the same";
        }

        if (loss.Proximal == ProximalPolicy.Epoch && loss.Importance == ImportanceLevel.None)
        {
            yield return "`loss.proximal` epoch needs `loss.importance` token or sequence: nothing else corrects for the samples' age";
        }

        if (loss.Ratio == RatioLevel.Sequence && loss.Advantage == AdvantageEstimator.ReinforcePlusPlus && loss.KlPlacement == KlPlacement.Reward && loss.KlCoefficient > 0)
        {
            yield return "`loss.ratio` sequence contradicts per-token rewards (`loss.advantage` reinforce_plus_plus with `loss.kl_placement` reward)";
        }
    }

    private static IEnumerable<string> Updates(GrpoOptions options)
    {
        if (options.Update.MiniBatchPrompts > options.Rollout.PromptsPerStep)
        {
            yield return "`update.mini_batch_prompts` must not be more than `rollout.prompts_per_step`";
        }
    }
}
