namespace LlasaNative.Training;

/// <summary>Turns what a step produced into measurements.</summary>
internal static class GrpoReport
{
    /// <summary>Everything a step produced.</summary>
    public sealed record Outcome(DrawnGroups Drawn, PolicyUpdate.Terms Terms, UpdateSummary Updates, GroupCounts Counts, IReadOnlyCollection<PairVerdict> Verdicts, long AllocatedBytes);

    public static StepReport Make(long step, double rate, Outcome outcome, PhaseTimer timer, bool keepSound)
    {
        var row = Measure(step, rate, outcome, timer);
        var summary = string.Create(CultureInfo.InvariantCulture,
            $"reward {row["reward/mean"]:F3}  CER {row["reward/cer"]:F3}  NLL {row["reward/nll"]:F2}  KL {row["policy/kl"]:G2}  clip {row["policy/clip_fraction"]:P0}")
            + string.Create(CultureInfo.InvariantCulture,
                $"  ent {row["policy/entropy"]:F2}  gap {row["policy/logprob_gap_max"]:G2}  len {row["rollout/length"]:F0}  end {row["rollout/ended"]:P0}")
            + string.Create(CultureInfo.InvariantCulture,
                $"  norm {row["optimiser/grad_norm"]:F2}  {row["speed/rollout_tokens_per_second"]:F0}+{row["speed/training_tokens_per_second"]:F0} tok/s");
        if (row["reward/not_scored"] > 0)
        {
            summary += string.Create(
                CultureInfo.InvariantCulture, $"  NOT SCORED {row["reward/not_scored"]:F0}: {outcome.Drawn.Recognised.First(h => h.Failure is not null).Failure}");
        }

        if (outcome.Drawn.Pairs.Count > 0)
        {
            JudgeCounts counts = new(outcome.Verdicts);
            counts.AddTo(row);
            summary += string.Create(CultureInfo.InvariantCulture, $"  prefers {counts.Preferred} of {counts.Pairs}")
                + (counts.NotJudged == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"  NOT JUDGED {counts.NotJudged}: {outcome.Verdicts.First(v => !v.IsJudged).Failure}"));
        }

        return new StepReport(row, summary, [.. outcome.Drawn.Records(outcome.Terms.Advantages.Sequences).Select(r => keepSound ? r : r with { Sound = null })]);
    }

    private static MetricRow Measure(long step, double rate, Outcome outcome, PhaseTimer timer)
    {
        var (drawn, updates) = (outcome.Drawn, outcome.Updates);
        var (judged, loss) = (drawn.Judged, updates.Loss);
        Judgement[] scored = [.. judged.Where(j => j.Scored)];
        var tokens = Math.Max(loss.Tokens, 1);
        var lengths = drawn.Samples.Lengths;
        var (group, count) = (drawn.GroupSize, Math.Max(updates.Updates - updates.Skipped, 1));
        MetricRow row = new(step);
        row.Add("reward/mean", scored.Select(j => j.Reward).FiniteMean()).Add("reward/std", Deviation(scored))
            .Add("reward/group_std", judged.Chunk(group).Average(g => Deviation([.. g.Where(j => j.Scored)])))
            .Add("reward/cer", (double)judged.Sum(j => j.Edits) / Math.Max(judged.Sum(j => j.Characters), 1))
            .Add("reward/cer_sample_mean", scored.Select(j => j.Cer).FiniteMean())
            .Add("reward/nll", judged.Select(j => j.Nll).FiniteMean())
            .Add("reward/utility_cer", judged.Select(j => j.Breakdown.CerUtility).FiniteMean())
            .Add("reward/utility_nll", judged.Select(j => j.Breakdown.NllUtility).FiniteMean())
            .Add("reward/exact", Share(judged, j => j is { Scored: true, Edits: 0 })).Add("reward/guarded", Share(judged, j => j.Guard.Length > 0))
            .Add("reward/masked", Share(judged, j => j.Masked)).Add("reward/not_scored", judged.Length - scored.Length)
            .Add("reward/beyond_window", judged.Count(j => j.BeyondWindow)).Add("reward/ended_early", judged.Count(j => j.EndedEarly))
            .Add("advantage/abs_mean", outcome.Terms.Advantages.Sequences.Average(a => Math.Abs(a)));
        AddProsody(row, drawn);
        row.Add("policy/loss", loss.Loss / count).Add("policy/policy_loss", loss.PolicyLoss / count).Add("policy/kl", loss.KlSum / tokens)
            .Add("policy/approx_kl", loss.ApproxKlSum / tokens).Add("policy/entropy", loss.EntropySum / tokens).Add("policy/ratio", loss.RatioSum / tokens)
            .Add("policy/clip_fraction", (loss.ClippedLow + loss.ClippedHigh) / tokens).Add("policy/clip_low_fraction", loss.ClippedLow / tokens)
            .Add("policy/clip_high_fraction", loss.ClippedHigh / tokens).Add("policy/dual_clip_fraction", loss.Capped / tokens)
            .Add("policy/logprob_gap_mean", loss.LogProbGapSum / updates.FirstTokens).Add("policy/logprob_gap_max", loss.LogProbGapMax);
        row.Add("rollout/length", lengths.Average()).Add("rollout/length_max", lengths.Max()).Add("rollout/length_min", lengths.Min())
            .Add("rollout/ended", Share(judged, j => j.Ended)).Add("rollout/capped", Share(judged, j => !j.Ended)).Add("rollout/tokens", outcome.Counts.Tokens)
            .Add("rollout/groups_flat", outcome.Counts.Flat).Add("rollout/groups_redrawn", outcome.Counts.Redrawn).Add("rollout/rounds", outcome.Counts.Rounds);
        if (updates.ImportanceMean != 1 || updates.Truncated > 0)
        {
            row.Add("policy/importance", updates.ImportanceMean).Add("policy/importance_truncated", updates.Truncated);
        }

        row.Add("optimiser/learning_rate", rate).Add("optimiser/grad_norm", updates.GradNorm / count).Add("optimiser/grad_scale", updates.GradScale / count)
            .Add("optimiser/updates", updates.Updates).Add("optimiser/skipped", updates.Skipped);
        AddParts(row, judged);
        foreach (var (phase, seconds) in timer.Phases)
        {
            row.Add($"seconds/{phase}", seconds);
        }

        var scoring = Math.Max(timer["vocode"] + timer["recognise"], timer["listen"]);
        var audio = drawn.Recognised.Where(h => h.Failure is null).Sum(h => h.Seconds);
        row.Add("seconds/step", timer.Total).Add("speed/rollout_tokens_per_second", outcome.Counts.Tokens / timer["rollout"])
            .Add("speed/training_tokens_per_second", loss.ComputedTokens / Math.Max(timer["gradient"], 1e-9))
            .Add("speed/audio_seconds_per_second", audio / Math.Max(scoring, 1e-9))
            .Add("memory/native_bytes", outcome.AllocatedBytes).Add("memory/process_bytes", Environment.WorkingSet);
        return row;
    }

    /// <summary>Means over the samples in which something was voiced, or said at all.</summary>
    /// <remarks>
    /// A reward of CER and NLL is known to make speech faster and flatter (arXiv 2509.18531), which neither of the two notices.
    /// </remarks>
    private static void AddProsody(MetricRow row, DrawnGroups outcome)
    {
        (Prosody Prosody, int Characters)[] measured =
            [.. outcome.Recognised.Zip(outcome.Judged).Where(p => p.First.Prosody is not null).Select(p => (p.First.Prosody!, p.Second.Characters))];
        if (measured.Length == 0)
        {
            return;
        }

        row.Add("prosody/f0_mean", measured.Select(m => m.Prosody.F0Mean).FiniteMean())
            .Add("prosody/f0_std", measured.Select(m => m.Prosody.F0Deviation).FiniteMean())
            .Add("prosody/f0_semitones", measured.Select(m => m.Prosody.F0Semitones).FiniteMean())
            .Add("prosody/rate", measured.Select(m => m.Prosody.Rate(m.Characters)).FiniteMean())
            .Add("prosody/pause_share", measured.Average(m => m.Prosody.Activity.PauseShare))
            .Add("prosody/voiced_share", measured.Average(m => m.Prosody.VoicedShare))
            .Add("prosody/seconds", measured.Average(m => m.Prosody.Activity.Seconds));
    }

    /// <summary>Mean of each component, when there are several.</summary>
    private static void AddParts(MetricRow row, Judgement[] judged)
    {
        var parts = judged.SelectMany(j => j.Breakdown.Parts).ToLookup(p => p.Name);
        if (parts.Count < 2)
        {
            return;
        }

        foreach (var part in parts)
        {
            row.Add($"reward/part/{part.Key}", part.Average(p => p.Value));
        }
    }

    private static double Share(Judgement[] judged, Func<Judgement, bool> predicate) => judged.Count(predicate) / (double)judged.Length;

    private static double Deviation(Judgement[] judged) => Array.ConvertAll(judged, j => j.Reward).Deviation();
}
