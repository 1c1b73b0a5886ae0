using LlasaNative.Models;
using LlasaNative.Text;

namespace LlasaNative.Training;

/// <summary>The three models of the flow: who speaks, what makes it sound, who listens.</summary>
/// <remarks><b>Threads:</b> one at a time. <b>Lifetime:</b> disposing it disposes all three.</remarks>
public sealed class GrpoModels : IDisposable
{
    private GrpoModels(PolicyModel policy, SpeechCodec codec, SpeechScorer scorer)
    {
        Policy = policy;
        Codec = codec;
        Scorer = scorer;
    }

    /// <summary>Speaks.</summary>
    public PolicyModel Policy { get; }

    /// <summary>Turns codes into sound.</summary>
    public SpeechCodec Codec { get; }

    /// <summary>Listens.</summary>
    public SpeechScorer Scorer { get; }

    /// <summary>Loads all three.</summary>
    /// <param name="models">Their directories, none empty.</param>
    /// <param name="prompt">How prompts are made.</param>
    /// <param name="scoring">How the recogniser listens.</param>
    /// <exception cref="ModelFileException">A directory is not what it should be, or the models do not fit together.</exception>
    public static GrpoModels Load(ModelOptions models, PromptOptions prompt, ScoringOptions scoring)
    {
        ArgumentNullException.ThrowIfNull(models);
        PolicyModel? policy = null;
        SpeechCodec? codec = null;
        try
        {
            policy = PolicyModel.Load(models.Policy, prompt);
            codec = SpeechCodec.Load(models.Codec);
            if (policy.Speech.Count > codec.Native.CodeCount)
            {
                throw new ModelFileException(models.Policy, "tokenizer.json", $"has {policy.Speech.Count} speech tokens, but the codec {models.Codec} has {codec.Native.CodeCount} codes");
            }

            if (codec.SampleRate != SpeechScorer.SampleRate)
            {
                throw new ModelFileException(models.Codec, "sampling_rate", $"{codec.SampleRate}, but the recogniser listens at {SpeechScorer.SampleRate}");
            }

            return new GrpoModels(policy, codec, SpeechScorer.Load(models.Recogniser, scoring));
        }
        catch
        {
            policy?.Dispose();
            codec?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Scorer.Dispose();
        Codec.Dispose();
        Policy.Dispose();
    }
}
