using LlasaNative.Recognition;
using LlasaNative.Rewards;

namespace LlasaNative.Training;

/// <summary>Brings together what is known about a sample and has it judged.</summary>
/// <remarks><b>Threads:</b> one at a time.</remarks>
public sealed class SampleJudge
{
    private readonly WeightedReward _model;

    /// <summary>Prepares a judge.</summary>
    /// <param name="options">The reward.</param>
    /// <exception cref="UsageException">An option is out of range.</exception>
    public SampleJudge(RewardOptions options) => _model = new WeightedReward(options);

    /// <summary>Whether a component of the reward may want to hear the sound: what is recognised should then hold it.</summary>
    public bool WantsSound => _model.WantsSound;

    /// <summary>Whether a component of the reward judges how something is said: what is recognised must then hold it.</summary>
    public bool WantsProsody => _model.WantsProsody;

    /// <summary>What a recognised sample must hold to be judged.</summary>
    public RecognitionExtras Extras => (WantsSound ? RecognitionExtras.Sound : 0) | (WantsProsody ? RecognitionExtras.Prosody : 0);

    /// <summary>Judges a batch of samples.</summary>
    /// <param name="texts">What each should say.</param>
    /// <param name="ended">Whether each ended by itself.</param>
    /// <param name="codes">Speech codes of each.</param>
    /// <param name="recognised">What was heard in each.</param>
    public Judgement[] Judge(IReadOnlyList<string> texts, IReadOnlyList<bool> ended, IReadOnlyList<int[]> codes, IReadOnlyList<RecognisedSample> recognised)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(ended);
        ArgumentNullException.ThrowIfNull(codes);
        ArgumentNullException.ThrowIfNull(recognised);
        var judged = new Judgement[texts.Count];
        for (var i = 0; i < judged.Length; i++)
        {
            judged[i] = Judge(texts[i], recognised[i], codes[i], ended[i]);
        }

        return judged;
    }

    /// <summary>Judges one sample; one that nobody could listen to is left out of its group and of the loss.</summary>
    /// <param name="text">What it should say.</param>
    /// <param name="recognised">What was heard.</param>
    /// <param name="codes">Its speech codes; null when unknown.</param>
    /// <param name="ended">Whether it ended by itself.</param>
    public Judgement Judge(string text, RecognisedSample recognised, int[]? codes, bool ended)
    {
        ArgumentNullException.ThrowIfNull(recognised);
        if (recognised.Failure is not null)
        {
            return new Judgement(RewardModel.NotScored(text), 0, 0, 0, 0, ended, double.NaN);
        }

        var breakdown = _model.Score(new SpeechSample
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
        });
        var (edits, characters) = CharacterErrorRate.Count(breakdown.ComparedReference, breakdown.ComparedTranscript);
        var (wordEdits, words) = CharacterErrorRate.CountWords(breakdown.ComparedReference, breakdown.ComparedTranscript);
        return new Judgement(breakdown, edits, characters, wordEdits, words, ended, recognised.Score.NoSpeechProb) { BeyondWindow = recognised.Score.BeyondWindow, EndedEarly = recognised.Score.EndedEarly };
    }
}
