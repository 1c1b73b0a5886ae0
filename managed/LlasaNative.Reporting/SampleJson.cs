using LlasaNative.Audio;

namespace LlasaNative.Reporting;

/// <summary>One line of <c>samples.jsonl</c>: every component of a sample's reward.</summary>
public static class SampleJson
{
    /// <summary>Writes the properties of a sample of a step.</summary>
    /// <param name="json">Inside an object.</param>
    /// <param name="step">Step the sample was drawn in.</param>
    /// <param name="sample">The sample.</param>
    /// <param name="sound">Path of its WAV within the run; null when it was not kept.</param>
    internal static void WriteStep(Utf8JsonWriter json, long step, SampleRecord sample, string? sound)
    {
        json.WriteNumber("step", step);
        Write(json, sample);
        json.WriteFinite("advantage", sample.Advantage);
        if (sound is not null)
        {
            json.WriteString("sound", sound);
        }
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
        if (sample.Voice is { } voice)
        {
            json.WriteString("voice", voice);
        }

        json.WriteString("transcript", sample.Transcript);
        json.WriteFinite("reward", judged.Reward);
        json.WriteFinite("cer", judged.Cer);
        json.WriteFinite("nll", judged.Nll);
        json.WriteFinite("utility_cer", judged.Breakdown.CerUtility);
        json.WriteFinite("utility_nll", judged.Breakdown.NllUtility);
        json.WriteString("guard", judged.Guard);
        json.WriteBoolean("ended", sample.Ended);
        json.WriteBoolean("beyond_window", judged.BeyondWindow);
        json.WriteNumber("codes", sample.Codes.Count);
        json.WriteFinite("no_speech_prob", judged.NoSpeechProb);
        if (judged.EndedEarly)
        {
            json.WriteBoolean("transcript_ended_early", true);
        }

        if (judged.Breakdown.ComparedReference != sample.Text || judged.Breakdown.ComparedTranscript != sample.Transcript)
        {
            json.WriteString("compared_text", judged.Breakdown.ComparedReference);
            json.WriteString("compared_transcript", judged.Breakdown.ComparedTranscript);
        }

        if (judged.Breakdown.Parts.Count > 1)
        {
            json.WriteStartObject("reward_parts");
            foreach (var part in judged.Breakdown.Parts)
            {
                json.WriteFinite(part.Name, part.Value);
            }

            json.WriteEndObject();
        }

        if (sample.Second is { } heard)
        {
            json.WriteString("second_transcript", heard.Transcript);
            json.WriteFinite("second_cer", heard.Cer);
            json.WriteFinite("second_nll", heard.Nll);
        }

        if (sample.Prosody is { } prosody)
        {
            WriteProsody(json, prosody, judged.Characters);
        }
    }

    private static void WriteProsody(Utf8JsonWriter json, Prosody prosody, int characters)
    {
        json.WriteFinite("seconds", prosody.Activity.Seconds);
        json.WriteFinite("f0_mean", prosody.F0Mean);
        json.WriteFinite("f0_std", prosody.F0Deviation);
        json.WriteFinite("f0_semitones", prosody.F0Semitones);
        json.WriteFinite("rate", prosody.Rate(characters));
        json.WriteFinite("pause_share", prosody.Activity.PauseShare);
    }
}
