using System.Runtime.CompilerServices;

namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>A text that is read out, part after part when it is long.</summary>
/// <remarks>
/// With a voice of its own each part is said in that voice. Without one, each part goes on in the voice of the one before it: what was said is
/// the next part's voice prompt, for else each would be said in another voice. What reached its limit is none: whoever goes on from a voice that
/// runs away runs away too. <b>Threads:</b> one at a time.
/// </remarks>
/// <param name="carries">Whether a part without a voice goes on in that of the one before.</param>
internal sealed class SpeechReading(PolicyModel policy, SpeechEngine engine, IReadOnlyList<string> parts, bool carries)
{
    /// <summary>Room that a part must leave for its speech: a second.</summary>
    internal const int LeastTokens = 50;

    /// <summary>The voice; null = any.</summary>
    public Utterance? Voice { get; init; }

    /// <summary>How tokens are drawn.</summary>
    public required SamplingSettings Sampling { get; init; }

    /// <summary>Key of the random numbers.</summary>
    public required long Seed { get; init; }

    /// <summary>Whether its sound is wanted while it is drawn.</summary>
    public bool IsStreamed { get; init; }

    /// <summary>Tokens of the prompts of the parts that were read.</summary>
    public int InputTokens { get; private set; }

    /// <summary>Codes of the parts that were read.</summary>
    public int OutputTokens { get; private set; }

    /// <summary>Refuses what leaves no room.</summary>
    /// <exception cref="UsageException">A part has no room beside its voice.</exception>
    public void Check()
    {
        foreach (var part in parts)
        {
            policy.EncodePrompt(part, LeastTokens, 0, Voice);
        }
    }

    /// <summary>The sound, in the order it is heard.</summary>
    /// <param name="abandoned">Cancelled when nobody listens any longer.</param>
    /// <exception cref="ProblemException">The queue is full.</exception>
    public async IAsyncEnumerable<float[]> ReadAsync([EnumeratorCancellation] CancellationToken abandoned)
    {
        Utterance? last = null;
        for (var part = 0; part < parts.Count; part++)
        {
            var job = Prepare(part, Voice ?? last, abandoned);
            engine.Speak(job, admitted: part > 0);
            await foreach (var sound in job.Sound.ReadAllAsync(abandoned))
            {
                yield return sound;
            }

            InputTokens += job.Text.Prompt.Length;
            OutputTokens += job.Codes.Length;
            last = !carries ? null : job.Ended && job.Codes.Length > 0 ? new Utterance(parts[part], job.Codes) : last;
        }
    }

    /// <summary>Room for the speech of a part: of one that goes on from another, twice what that one took of each of its characters.</summary>
    private int Room(int part, Utterance? voice) => voice is null || voice == Voice ? LeastTokens
        : (int)Math.Clamp(2L * voice.Codes.Count * parts[part].Length / Math.Max(voice.Text.Length, 1), LeastTokens, Math.Max(LeastTokens, engine.MaxNewTokens));

    private SpeechJob Prepare(int part, Utterance? voice, CancellationToken abandoned)
    {
        int[] prompt;
        try
        {
            prompt = policy.EncodePrompt(parts[part], Room(part, voice), 0, voice);
        }
        catch (UsageException) when (voice != Voice)
        {
            // What was said was too long to go on from.
            (voice, prompt) = (Voice, policy.EncodePrompt(parts[part], LeastTokens, 0, Voice));
        }

        return new SpeechJob
        {
            Text = new EncodedText(parts[part], prompt) { Voice = voice }, Sampling = Sampling, Id = SpeechJob.Key(Seed, part), IsStreamed = IsStreamed, Abandoned = abandoned,
        };
    }
}
