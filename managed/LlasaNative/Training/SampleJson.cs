using System.Text.Json;
using LlasaNative.Reporting;

namespace LlasaNative.Training;

/// <summary>One line of <c>samples.jsonl</c>: every component of a sample's reward.</summary>
public static class SampleJson
{
    internal static void WriteStep(Utf8JsonWriter json, long step, SampleRecord sample)
    {
        json.WriteNumber("step", step);
        Write(json, sample);
        json.WriteFinite("advantage", sample.Advantage);
    }

    /// <summary>Writes the properties of a sample.</summary>
    /// <param name="json">Inside an object.</param>
    /// <param name="sample">The sample.</param>
    public static void Write(Utf8JsonWriter json, SampleRecord sample)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(sample);
        var judged = sample.Judgement;
        json.WriteString("text", sample.Text);
        json.WriteString("transcript", sample.Transcript);
        json.WriteFinite("reward", judged.Reward);
        json.WriteFinite("cer", judged.Cer);
        json.WriteFinite("nll", judged.Nll);
        json.WriteFinite("utility_cer", judged.Breakdown.CerUtility);
        json.WriteFinite("utility_nll", judged.Breakdown.NllUtility);
        json.WriteFinite("rate_factor", judged.Breakdown.RateFactor);
        json.WriteFinite("repetition_factor", judged.Breakdown.RepetitionFactor);
        json.WriteString("guard", judged.Guard);
        json.WriteBoolean("ended", sample.Ended);
        json.WriteNumber("codes", sample.Codes.Count);
        json.WriteFinite("no_speech_prob", judged.NoSpeechProb);
    }
}
