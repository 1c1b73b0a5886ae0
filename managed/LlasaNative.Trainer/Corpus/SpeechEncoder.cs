using System.Runtime.ExceptionServices;

namespace LlasaNative.Trainer.Corpus;

/// <summary>Turns entries of sources into codes, some at once: sounds are read beside each other and encoded one by one.</summary>
internal sealed class SpeechEncoder(SpeechCodec codec, IRecogniser? recogniser, TextNormalization normalization, SoundPreparation preparation)
{
    /// <summary>Encodes some entries; one that cannot be encoded has a fault.</summary>
    public EncodedRow[] Encode(IReadOnlyList<SpokenRow> rows, CancellationToken cancellation)
    {
        var sounds = ReadAll(rows, cancellation);
        EncodedRow[] encoded = [.. rows.Select((row, i) =>
        {
            cancellation.ThrowIfCancellationRequested();
            return sounds[i].Fault is { } fault ? new EncodedRow(row.Name) { Fault = fault } : Encode(row, sounds[i].Samples);
        })];
        return recogniser is null ? encoded : Verify(encoded, recogniser, cancellation);
    }

    private EncodedRow Encode(SpokenRow row, float[] sound)
    {
        try
        {
            return new EncodedRow(row.Name) { Text = row.Text, Language = row.Language, Codes = codec.Encode(sound), Duration = (double)sound.Length / codec.SampleRate };
        }
        catch (LlasaException e)
        {
            return new EncodedRow(row.Name) { Fault = row.Error(e.Message, e).Message };
        }
    }

    private (float[] Samples, string? Fault)[] ReadAll(IReadOnlyList<SpokenRow> rows, CancellationToken cancellation)
    {
        try
        {
            return [.. rows.AsParallel().AsOrdered().WithCancellation(cancellation).Select(row => Read(row, cancellation))];
        }
        catch (AggregateException e)
        {
            // No fault of an entry's, such as a full disk: it is said by itself.
            ExceptionDispatchInfo.Throw(e.Flatten().InnerExceptions[0]);
            throw;
        }
    }

    private (float[] Samples, string? Fault) Read(SpokenRow row, CancellationToken cancellation)
    {
        if (row.Fault is not null)
        {
            return ([], row.Fault.Message);
        }

        try
        {
            // What is trimmed may become short enough; else nothing longer is unpacked.
            var longest = preparation.Trim ? double.PositiveInfinity : preparation.MaxSeconds;
            (double, double?)? part = row.Start is { } start ? (start, row.Length) : null;
            var audio = row.Sound is { } bytes ? SoundFile.Parse(bytes, row.Name, null, longest, part, cancellation) : SoundFile.Read(row.SoundPath!, null, longest, part, cancellation);
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
