using LlasaNative.Audio;
using LlasaNative.Models;
using LlasaNative.Reporting;

namespace LlasaNative.Training;

/// <summary>Watches how samples are said while only what is understood is rewarded.</summary>
/// <remarks>
/// A reward of CER and NLL is known to make speech faster and flatter (arXiv 2509.18531), which neither of the two notices.
/// <b>Threads:</b> one at a time.
/// </remarks>
internal sealed class ProsodyMeter
{
    private readonly PitchTracker _tracker = new();

    public Prosody[] Measure(WaveBatch waves) =>
        [.. Enumerable.Range(0, waves.Count).Select(i => Prosody.Measure(waves[i], waves.SampleRate, _tracker))];

    /// <summary>Adds the means over the samples in which something was voiced, or said at all.</summary>
    public static void AddTo(MetricRow row, IReadOnlyList<Prosody> prosody, IReadOnlyList<Judgement> judged)
    {
        if (prosody.Count == 0)
        {
            return;
        }

        row.Add("prosody/f0_mean", FiniteMean(prosody.Select(p => p.F0Mean)))
            .Add("prosody/f0_std", FiniteMean(prosody.Select(p => p.F0Deviation)))
            .Add("prosody/f0_semitones", FiniteMean(prosody.Select(p => p.F0Semitones)))
            .Add("prosody/rate", FiniteMean(prosody.Zip(judged, (p, j) => p.Rate(j.Characters))))
            .Add("prosody/pause_share", prosody.Average(p => p.Activity.PauseShare))
            .Add("prosody/voiced_share", prosody.Average(p => p.VoicedShare))
            .Add("prosody/seconds", prosody.Average(p => p.Activity.Seconds));
    }

    private static double FiniteMean(IEnumerable<double> values) => values.Where(double.IsFinite).DefaultIfEmpty(double.NaN).Average();
}
