using LlasaNative.Training;

namespace LlasaNative.Recognition;

/// <summary>A recogniser that listens to evaluations beside the one that rewards. What it hears is reported, and no reward is made of it.</summary>
/// <remarks><b>Threads:</b> those of its recogniser. <b>Lifetime:</b> disposing it disposes its recogniser.</remarks>
public sealed class SecondEar : IDisposable
{
    private readonly IRecogniser _recogniser;
    private readonly TextNormalization _normalization;

    /// <summary>Gives a recogniser this part.</summary>
    /// <param name="name">What people call it.</param>
    /// <param name="recogniser">Listens; disposed with this.</param>
    /// <param name="reward">Whose way of comparing texts is used, so that both ears count the same errors.</param>
    public SecondEar(string name, IRecogniser recogniser, RewardOptions reward)
    {
        ArgumentNullException.ThrowIfNull(recogniser);
        (Name, _recogniser, _normalization) = (name, recogniser, RewardModel.NormalizationOf(reward));
    }

    /// <summary>What people call it.</summary>
    public string Name { get; }

    /// <summary>Refuses a text whose likelihood it could not measure.</summary>
    /// <param name="text">A text that samples will be compared with.</param>
    /// <exception cref="UsageException">It is too long.</exception>
    public void CheckText(string text)
    {
        try
        {
            _recogniser.CheckText(text);
        }
        catch (UsageException e)
        {
            throw new UsageException($"the second ear {Name}: {e.Message}", e);
        }
    }

    /// <summary>Listens to samples that another has listened to.</summary>
    /// <param name="texts">What each should say.</param>
    /// <param name="samples">The samples with their sounds; one that nobody could listen to has none.</param>
    /// <param name="cancellation">Honoured between batches of the recogniser.</param>
    /// <returns>One per sample; null where there is no sound to listen to.</returns>
    public SecondTranscript?[] Listen(IReadOnlyList<string> texts, IReadOnlyList<RecognisedSample> samples, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(samples);
        int[] there = [.. Enumerable.Range(0, samples.Count).Where(i => samples[i].Sound is not null)];
        var heard = new SecondTranscript?[samples.Count];
        if (there.Length > 0)
        {
            using Sounds sounds = new([.. there.Select(i => samples[i].Sound!)]);
            var scores = _recogniser.Score(sounds, [.. there.Select(i => texts[i])], cancellation);
            foreach (var (score, i) in scores.Zip(there))
            {
                heard[i] = Compare(texts[i], score);
            }
        }

        return heard;
    }

    /// <inheritdoc/>
    public void Dispose() => _recogniser.Dispose();

    private SecondTranscript Compare(string text, SpeechScore score)
    {
        var (reference, transcript) = RewardModel.Compared(_normalization, text, score.Transcript);
        var (edits, characters) = CharacterErrorRate.Count(reference, transcript);
        var (wordEdits, words) = CharacterErrorRate.CountWords(reference, transcript);
        return new SecondTranscript(score.Transcript, score.Nll, edits, characters, wordEdits, words);
    }

    private sealed class Sounds(float[][] clips) : ISounds
    {
        public int Count => clips.Length;

        public int SampleRate => RecognisedSample.SampleRate;

        public ReadOnlySpan<float> this[int index] => clips[index];

        public void Dispose()
        {
            // Nothing but managed memory.
        }
    }
}
