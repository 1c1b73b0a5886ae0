namespace LlasaNative.Trainer.Corpus;

/// <summary>Turns entries of sources into codes, some at once: sounds are read beside each other and encoded one by one.</summary>
internal sealed class SpeechEncoder(SpeechCodec codec, IRecogniser? recogniser, TextNormalization normalization, SoundPreparation preparation)
{
    /// <summary>Encodes some entries; one that cannot be encoded has a fault.</summary>
    public EncodedRow[] Encode(IReadOnlyList<SpokenRow> rows, CancellationToken cancellation)
    {
        var sounds = rows.AsParallel().AsOrdered().WithCancellation(cancellation).Select(row => Read(row, cancellation)).ToArray();
        EncodedRow[] encoded = [.. rows.Select((row, i) =>
        {
            cancellation.ThrowIfCancellationRequested();
            return sounds[i].Fault is { } fault ? new EncodedRow(row.Name) { Fault = fault } : new EncodedRow(row.Name)
            {
                Text = row.Text,
                Language = row.Language,
                Codes = codec.Encode(sounds[i].Samples),
                Duration = (double)sounds[i].Samples.Length / codec.SampleRate,
            };
        })];
        return recogniser is null ? encoded : Verify(encoded, recogniser, cancellation);
    }

    private (float[] Samples, string? Fault) Read(SpokenRow row, CancellationToken cancellation)
    {
        if (row.Fault is not null)
        {
            return ([], row.Fault.Message);
        }

        try
        {
            var audio = row.Sound is { } bytes ? SoundFile.Parse(bytes, row.Name, cancellation: cancellation) : SoundFile.Read(row.SoundPath!, cancellation: cancellation);
            audio = row.Start is { } start ? audio.Part(start, row.Length) : audio;
            return (preparation.Apply(audio, row.SoundPath ?? row.Name), null);
        }
        catch (LlasaException e)
        {
            return ([], row.Place is null ? e.Message : row.Error(e.Message, e).Message);
        }
    }

    private EncodedRow[] Verify(EncodedRow[] rows, IRecogniser judge, CancellationToken cancellation)
    {
        var verified = rows.ToArray();
        int[] fine = [.. Enumerable.Range(0, rows.Length).Where(i => rows[i].Fault is null)];
        foreach (var batch in fine.Chunk(judge.BatchSize))
        {
            var (sounds, scores, _) = judge.Score(codec, [.. batch.Select(i => rows[i].Codes)], [], cancellation);
            sounds.Dispose();
            foreach (var (i, score) in batch.Zip(scores))
            {
                var (reference, transcript) = RewardModel.Compared(normalization, rows[i].Text, score.Transcript);
                verified[i] = rows[i] with { Transcript = score.Transcript, Errors = CharacterErrorRate.Count(reference, transcript) };
            }
        }

        return verified;
    }
}
