namespace LlasaNative.Training;

/// <summary>Brings together what is known about a sample and has it judged.</summary>
/// <remarks><b>Threads:</b> one at a time.</remarks>
/// <param name="options">The reward.</param>
/// <exception cref="UsageException">An option is out of range.</exception>
public sealed class SampleJudge(RewardOptions options)
{
    private readonly WeightedReward _model = new(options);

    /// <summary>Whether a component of the reward may want to hear the sound: what is recognised should then hold it.</summary>
    public bool WantsSound => _model.WantsSound;

    /// <summary>Whether a component of the reward judges how something is said: what is recognised must then hold it.</summary>
    public bool WantsProsody => _model.WantsProsody;

    /// <summary>What a recognised sample must hold to be judged.</summary>
    public RecognitionExtras Extras => (WantsSound ? RecognitionExtras.Sound : 0) | (WantsProsody ? RecognitionExtras.Prosody : 0);

    /// <summary>Judges samples; one that nobody could listen to is left out of its group and of the loss.</summary>
    /// <param name="texts">What each should say.</param>
    /// <param name="ended">Whether each ended by itself.</param>
    /// <param name="codes">Speech codes of each; null when unknown.</param>
    /// <param name="recognised">What was heard in each.</param>
    public Judgement[] Judge(IReadOnlyList<string> texts, IReadOnlyList<bool> ended, IReadOnlyList<int[]?> codes, IReadOnlyList<RecognisedSample> recognised)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(ended);
        ArgumentNullException.ThrowIfNull(codes);
        ArgumentNullException.ThrowIfNull(recognised);
        int[] heard = [.. Enumerable.Range(0, texts.Count).Where(i => recognised[i].Failure is null)];
        var scored = heard.Zip(_model.Score([.. heard.Select(i => Sample(texts[i], recognised[i], codes[i], ended[i]))])).ToDictionary(of => of.First, of => of.Second);
        return [.. texts.Select((text, i) => Judged(scored.GetValueOrDefault(i) ?? RewardModel.NotScored(text), recognised[i], ended[i]))];
    }

    private static SpeechSample Sample(string text, RecognisedSample recognised, int[]? codes, bool ended) => new()
    {
        Reference = text,
        Transcript = recognised.Score.Transcript,
        Nll = recognised.Score.Nll,
        Ended = ended,
        Codes = codes is null ? null : (ReadOnlyMemory<int>?)codes,
        Seconds = recognised.Seconds,
        Rms = recognised.Rms,
        NoSpeechProbability = recognised.Score.NoSpeechProb,
        BeyondWindow = recognised.Score.BeyondWindow,
        Prosody = recognised.Prosody,
        Sound = recognised.Sound is null ? null : (ReadOnlyMemory<float>?)recognised.Sound,
        VoiceSound = recognised.VoiceSound is null ? null : (ReadOnlyMemory<float>?)recognised.VoiceSound,
        SampleRate = RecognisedSample.SampleRate,
    };

    private static Judgement Judged(RewardBreakdown breakdown, RecognisedSample recognised, bool ended)
    {
        if (recognised.Failure is not null)
        {
            return new Judgement(breakdown, 0, 0, 0, 0, ended, double.NaN);
        }

        var (edits, characters) = CharacterErrorRate.Count(breakdown.ComparedReference, breakdown.ComparedTranscript);
        var (wordEdits, words) = CharacterErrorRate.CountWords(breakdown.ComparedReference, breakdown.ComparedTranscript);
        return new Judgement(breakdown, edits, characters, wordEdits, words, ended, recognised.Score.NoSpeechProb) { BeyondWindow = recognised.Score.BeyondWindow, EndedEarly = recognised.Score.EndedEarly };
    }
}
