using LlasaNative.Models;
using LlasaNative.Rewards;

namespace LlasaNative.Training;

/// <summary>Brings together what is known about a sample and has it judged.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed class SampleJudge
{
    private readonly RewardModel _model;

    /// <summary>Prepares a judge.</summary>
    /// <param name="options">The reward.</param>
    /// <exception cref="UsageException">An option is out of range.</exception>
    public SampleJudge(RewardOptions options) => _model = new RewardModel(options);

    /// <summary>Judges a batch of samples.</summary>
    /// <param name="texts">What each should say.</param>
    /// <param name="samples">How each ended.</param>
    /// <param name="codes">Speech codes of each.</param>
    /// <param name="waves">Sound of each.</param>
    /// <param name="heard">What was heard in each.</param>
    public Judgement[] Judge(IReadOnlyList<string> texts, RolloutBatch samples, IReadOnlyList<int[]> codes, WaveBatch waves, IReadOnlyList<SpeechScore> heard)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(samples);
        ArgumentNullException.ThrowIfNull(codes);
        ArgumentNullException.ThrowIfNull(waves);
        ArgumentNullException.ThrowIfNull(heard);
        var judged = new Judgement[texts.Count];
        for (var i = 0; i < judged.Length; i++)
        {
            judged[i] = Judge(texts[i], heard[i], waves[i], waves.SampleRate, codes[i], samples.Ended(i));
        }

        return judged;
    }

    /// <summary>Judges one sample.</summary>
    /// <param name="text">What it should say.</param>
    /// <param name="heard">What was heard.</param>
    /// <param name="sound">Its sound.</param>
    /// <param name="sampleRate">Samples per second of the sound.</param>
    /// <param name="codes">Its speech codes; null when unknown.</param>
    /// <param name="ended">Whether it ended by itself.</param>
    public Judgement Judge(string text, SpeechScore heard, ReadOnlySpan<float> sound, int sampleRate, int[]? codes, bool ended)
    {
        var breakdown = _model.Score(new SpeechSample
        {
            Reference = text,
            Transcript = heard.Transcript,
            Nll = heard.Nll,
            Ended = ended,
            Codes = codes is null ? null : (ReadOnlyMemory<int>?)codes,
            Seconds = (double)sound.Length / sampleRate,
            Rms = Rms(sound),
            NoSpeechProbability = heard.NoSpeechProb,
        });
        var (edits, characters) = CharacterErrorRate.Count(breakdown.ComparedReference, breakdown.ComparedTranscript);
        var words = breakdown.ComparedReference.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length;
        var wordEdits = (int)Math.Round(CharacterErrorRate.ComputeWords(breakdown.ComparedReference, breakdown.ComparedTranscript) * Math.Max(words, 1));
        return new Judgement(breakdown, edits, characters, wordEdits, words, ended, heard.NoSpeechProb);
    }

    private static double Rms(ReadOnlySpan<float> sound)
    {
        double sum = 0;
        foreach (var sample in sound)
        {
            sum += (double)sample * sample;
        }

        return sound.IsEmpty ? 0 : Math.Sqrt(sum / sound.Length);
    }
}
