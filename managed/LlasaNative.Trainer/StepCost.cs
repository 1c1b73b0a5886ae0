namespace LlasaNative.Trainer;

/// <summary>Arithmetic and traffic of a GRPO step, from the sizes of the models and the lengths that were drawn.</summary>
/// <remarks>
/// Matrix products and attention only, a multiply-add as two operations; what is done once for a whole group (its prompt)
/// is counted once. So a fraction of the roof says how well the necessary work was done.
/// </remarks>
internal sealed class StepCost
{
    public StepCost(PolicyModel policy, LocalRecognition recognition, GrpoOptions options, IReadOnlyList<StepReport> reports)
    {
        var samples = reports.SelectMany(r => r.Samples).ToArray();
        var group = options.Rollout.SamplesPerPrompt;
        double steps = reports.Count;
        var codec = (SpeechCodec)recognition.Codec;
        var again = options.Optimiser.Recompute switch
        {
            Recompute.False => 0,
            Recompute.Mlp => 0.5,
            Recompute.True => 1,
            _ => throw new ArgumentOutOfRangeException(nameof(options), options.Optimiser.Recompute, "No such choice."),
        };
        foreach (var (index, sample) in samples.Index())
        {
            var prompt = policy.EncodePrompt(sample.Text, 1).Length;
            double response = sample.Codes.Count + (sample.Ended ? 1 : 0);
            RolloutTokens += response / steps;
            AudioSeconds += sample.Codes.Count * (double)codec.SamplesPerCode / codec.SampleRate / steps;
            var responseCost = Body(policy.Config, prompt, response) + (response * Head(policy, options.Rollout.SpeechOnly));
            var promptCost = index % group == 0 ? Body(policy.Config, 0, prompt) : 0;
            Rollout += (responseCost + promptCost) / steps;
            // Backward costs twice the forward; with recomputation the forward of the layers comes once more.
            Gradient += ((3 * (responseCost + promptCost)) + (again * (responseCost + promptCost))) / steps;
            TrainedTokens += (response + (index % group == 0 ? prompt : 0)) / steps;
            Recognise += Recognising(recognition.Recogniser, sample.Text, sample.Transcript) / steps;
            Vocode += sample.Codes.Count * Frame(codec) / steps;
        }

        // Weights, both moments and gradient read; the first three and the cleared gradient written; the norm reads once more.
        UpdateBytes = policy.ParameterCount * 9.0 * sizeof(float);
    }

    public double RolloutTokens { get; }

    public double TrainedTokens { get; }

    public double AudioSeconds { get; }

    public double Rollout { get; }

    public double Gradient { get; }

    public double Vocode { get; }

    public double Recognise { get; }

    public double UpdateBytes { get; }

    /// <summary>Arithmetic of making the sound of one sample and listening to it.</summary>
    /// <param name="text">What it should say.</param>
    /// <param name="transcript">What was heard.</param>
    public static double Scoring(LocalRecognition recognition, int codes, string text, string transcript) =>
        (codes * Frame((SpeechCodec)recognition.Codec)) + Recognising(recognition.Recogniser, text, transcript);

    /// <summary>Layers over <paramref name="count"/> tokens that come after <paramref name="before"/> others.</summary>
    public static double Body(LlamaConfig c, double before, double count)
    {
        double attention = c.QueryHeads * c.HeadDimension, keyValue = 2 * c.KeyValueHeads * c.HeadDimension;
        var weights = (c.HiddenSize * ((2 * attention) + keyValue)) + (3.0 * c.HiddenSize * c.IntermediateSize);
        var context = before + ((count + 1) / 2);
        return c.Layers * count * ((2 * weights) + (4 * context * attention));
    }

    /// <summary>The head over one token.</summary>
    public static double Head(PolicyModel policy, bool speechOnly) =>
        2.0 * policy.Config.HiddenSize * (speechOnly ? policy.Speech.Count + 1 : policy.Config.VocabularySize);

    /// <summary>Every weight of the decoder works once per frame; then the inverse transform, whose symmetries leave a quarter of the product.</summary>
    public static double Frame(SpeechCodec codec) =>
        (2.0 * codec.ParameterCount) + (0.5 * codec.Config.FftLength * (codec.Config.FftLength + 2));

    /// <summary>Another engine's arithmetic is not known.</summary>
    private static double Recognising(IRecogniser recogniser, string text, string transcript) => recogniser is NativeRecogniser native
        ? Recognising(native.Config, native.EncodeTarget(text).Length + native.CountTokens(transcript) + 5)
        : 0;

    /// <summary>A clip of one window: the encoder, and the decoder over a number of tokens.</summary>
    public static double Recognising(WhisperConfig c, double tokens)
    {
        double width = c.HiddenSize, positions = c.MaxSourcePositions;
        var convolutions = 2 * 3 * ((2 * positions * c.MelBins * width) + (positions * width * width));
        var encoder = c.EncoderLayers * positions * (2 * ((4 * width * width) + (2 * width * c.EncoderIntermediateSize)) + (4 * positions * width));
        var crossKeys = c.DecoderLayers * positions * 4 * width * width;
        var decoder = tokens * ((c.DecoderLayers * ((2 * ((6 * width * width) + (2 * width * c.DecoderIntermediateSize))) + (4 * (positions + (tokens / 4)) * width)))
            + (2 * width * c.VocabularySize));
        return convolutions + encoder + crossKeys + decoder;
    }
}
