namespace LlasaNative.WhisperNet;

/// <summary>One clip on its way through a model: features, encoder, decoder token by token.</summary>
/// <remarks><b>Threads:</b> one at a time. <b>Lifetime:</b> disposing it returns it to its model.</remarks>
internal sealed class GgmlState(GgmlModel model, GgmlContextHandle context, GgmlStateHandle state) : IDisposable
{
    private const int Threads = 1;

    /// <summary>Listens to one window of sound.</summary>
    /// <param name="samples">At 16 kHz, at most a window; silence follows.</param>
    public unsafe void Hear(ReadOnlySpan<float> samples)
    {
        // whisper.cpp mirrors the beginning of a sound without asking how long it is, so it gets a whole window.
        var window = new float[model.Header.WindowSamples];
        samples.CopyTo(window);
        fixed (float* pointer = window)
        {
            Check(NativeMethods.ToMel(context, state, pointer, window.Length, Threads), "compute the features");
        }

        Check(NativeMethods.Encode(context, state, 0, Threads), "encode");
    }

    /// <summary>Listens to one window of features.</summary>
    /// <param name="mel">[bins, frames]</param>
    public unsafe void HearFeatures(ReadOnlySpan<float> mel)
    {
        var bins = model.Header.MelBins;
        fixed (float* pointer = mel)
        {
            Check(NativeMethods.SetMel(context, state, pointer, mel.Length / bins, bins), "take the features");
        }

        Check(NativeMethods.Encode(context, state, 0, Threads), "encode");
    }

    /// <summary>Gives the decoder a token; what came after its position is forgotten.</summary>
    /// <param name="token">Id.</param>
    /// <param name="position">Tokens before it.</param>
    /// <returns>[vocabulary] logits of the next token, until the next step.</returns>
    public unsafe ReadOnlySpan<float> Step(int token, int position)
    {
        Check(NativeMethods.Decode(context, state, &token, 1, position, Threads), "decode");
        return new ReadOnlySpan<float>(NativeMethods.Logits(state), model.Header.VocabularySize);
    }

    /// <summary>Mean negative log-likelihood of a sequence's tail.</summary>
    /// <param name="ids">All tokens.</param>
    /// <param name="first">First that counts, at least 1.</param>
    public double MeanNll(ReadOnlySpan<int> ids, int first)
    {
        double sum = 0;
        for (var i = 0; i + 1 < ids.Length; i++)
        {
            var logits = Step(ids[i], i);
            sum -= i + 1 >= first ? logits[ids[i + 1]] - LogSum(logits) : 0;
        }

        return sum / (ids.Length - first);
    }

    /// <summary>Log of the sum of exponentials.</summary>
    public static double LogSum(ReadOnlySpan<float> logits)
    {
        var most = float.NegativeInfinity;
        foreach (var x in logits)
        {
            most = Math.Max(most, x);
        }

        double sum = 0;
        foreach (var x in logits)
        {
            sum += MathF.Exp(x - most);
        }

        return most + Math.Log(sum);
    }

    public void Dispose() => model.Return(this);

    /// <summary>Gives its memory back.</summary>
    public void Free() => state.Dispose();

    private void Check(int code, string what)
    {
        if (code != 0)
        {
            throw model.Failed(what, code);
        }
    }
}
