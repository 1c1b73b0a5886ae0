namespace LlasaNative.Trainer.Works;

/// <summary>What codec and recogniser do.</summary>
internal static class SpeechWorks
{
    /// <summary>Codes made into sound.</summary>
    public static WorkResult Vocode(string path, ComputeType type, WorkSettings settings)
    {
        var (batch, codes) = (settings.Batch ?? 1, settings.Tokens ?? 500);
        using var codec = SpeechCodec.Load(path, type: type);
        int[][] clips = [.. Enumerable.Range(0, batch).Select(b => Enumerable.Range(0, codes).Select(i => (int)((b * codes + i) * 7919L % codec.CodeCount)).ToArray())];
        return new WorkResult("vocode", settings.Time(() => codec.Decode(clips).Dispose()), batch * codes * (double)codec.SamplesPerCode / codec.SampleRate, "seconds of sound")
        {
            Type = type,
            Flops = batch * codes * StepCost.Frame(codec),
            Settings = PolicyWorks.Chosen(("batch", batch), ("tokens", codes)),
        };
    }

    /// <summary>Clips of one window of noise: transcripts of a number of tokens, and with a text its likelihood.</summary>
    public static WorkResult Recognise(string path, ComputeType type, WorkSettings settings, int textTokens)
    {
        var (batch, tokens) = (settings.Batch ?? 1, settings.Tokens ?? 64);
        using var recogniser = NativeRecogniser.Load(path, new ScoringOptions { MaxTokens = tokens, BatchSize = batch }, type);
        var window = recogniser.Config.WindowSamples;
        using WaveBatch waves = new([.. Enumerable.Range(0, batch + 1).Select(i => (long)i * window)], NativeRecogniser.SampleRate);
        var samples = waves.Samples;
        for (var i = 0; i < samples.Length; i++)
        {
            samples[i] = (float)(((Philox.Below(1, 0, (ulong)i, 1 << 16) / 65536.0) - 0.5) * 0.2);
        }

        string[] texts = textTokens > 0 ? [.. Enumerable.Repeat(Text(recogniser, textTokens), batch)] : [];
        var heard = 0.0;
        var seconds = settings.Time(() => heard = recogniser.Score(waves, texts).Sum(s => recogniser.CountTokens(s.Transcript)));
        return new WorkResult("recognise", seconds, batch, "clips")
        {
            Type = type,
            Flops = batch * StepCost.Recognising(recogniser.Config, tokens + textTokens),
            Settings = PolicyWorks.Chosen(("batch", batch), ("tokens", tokens), ("text_tokens", textTokens), ("heard_tokens", heard)),
        };
    }

    /// <summary>A text whose likelihood is measured over about that many tokens, its prompt included.</summary>
    private static string Text(NativeRecogniser recogniser, int tokens)
    {
        var text = "a";
        while (recogniser.EncodeTarget(text + " a").Length <= tokens)
        {
            text += " a";
        }

        return text;
    }
}
