namespace LlasaNative.Reporting;

/// <summary>One line of <c>samples.jsonl</c>: every component of a sample's reward.</summary>
public static class SampleJson
{
    /// <summary>What is written of a sample.</summary>
    /// <param name="sample">The sample.</param>
    /// <param name="step">Step it was drawn in; null = not while training, where it has no advantage.</param>
    /// <param name="sound">Path of its WAV within the directory; null when it was not kept.</param>
    public static object Of(SampleRecord sample, long? step = null, string? sound = null)
    {
        ArgumentNullException.ThrowIfNull(sample);
        var (judged, prosody) = (sample.Judgement, sample.Prosody);
        var isCompared = judged.Breakdown.ComparedReference != sample.Text || judged.Breakdown.ComparedTranscript != sample.Transcript;
        return new
        {
            Step = step,
            sample.Text,
            sample.Voice,
            sample.Transcript,
            judged.Reward,
            judged.Cer,
            judged.Nll,
            UtilityCer = judged.Breakdown.CerUtility,
            UtilityNll = judged.Breakdown.NllUtility,
            judged.Guard,
            sample.Ended,
            judged.BeyondWindow,
            Codes = sample.Codes.Count,
            judged.NoSpeechProb,
            TranscriptEndedEarly = judged.EndedEarly ? true : (bool?)null,
            ComparedText = isCompared ? judged.Breakdown.ComparedReference : null,
            ComparedTranscript = isCompared ? judged.Breakdown.ComparedTranscript : null,
            RewardParts = judged.Breakdown.Parts.Count > 1 ? judged.Breakdown.Parts.ToDictionary(p => p.Name, p => p.Value) : null,
            SecondTranscript = sample.Second?.Transcript,
            SecondCer = sample.Second?.Cer,
            SecondNll = sample.Second?.Nll,
            prosody?.Activity.Seconds,
            prosody?.F0Mean,
            F0Std = prosody?.F0Deviation,
            prosody?.F0Semitones,
            Rate = prosody?.Rate(judged.Characters),
            prosody?.Activity.PauseShare,
            Advantage = step is null ? null : (double?)sample.Advantage,
            Sound = sound,
        };
    }
}
