using System.Text.RegularExpressions;

namespace LlasaNative.Training;

/// <summary>Which option makes less memory necessary, told by what the native library was allocating when there was no more.</summary>
/// <remarks><b>Threads:</b> stateless, any thread.</remarks>
public static partial class MemoryAdvice
{
    private const string RecogniserAdvice = "fewer clips at a time lower it (recogniser.batch_size), and another device can hold it (recogniser.device)";
    private const string Training = "fewer tokens at a time lower it (optimiser.micro_batch_tokens), and recomputation does (optimiser.recompute)";

    // The first row one of whose words is in the name; names are those of llasa_memory_item.what.
    private static readonly (string[] Words, string? Advice)[] Rows =
    [
        (["host buffer", "staging memory"], null),
        (["codec", "recogniser", "the encoder", "encoder states", "text decoder", "of the texts", "cross-attention", "waveform", "log-mel", "mel filterbank", "STFT", "DFT"], RecogniserAdvice),
        (["rollout", "cache blocks", "repetition history", "sampl", "allowed ids"], "fewer sequences at a time lower it (rollout.slots)"),
        (["rotations"], "shorter sequences lower it (rollout.max_new_tokens)"),
        (["adapter"], "a lower rank lowers it (lora.rank)"),
        (["the policy's weights"], "a smaller policy is needed"),
        (["moments"], "training an adapter lowers it (lora.rank)"),
    ];

    /// <summary>Advice for something that did not fit.</summary>
    /// <param name="what">What was being allocated, as <see cref="NativeMemoryItem.What"/> has it.</param>
    /// <returns>A sentence that names the options; null where no option helps.</returns>
    public static string? For(string what)
    {
        ArgumentNullException.ThrowIfNull(what);
        foreach (var (words, advice) in Rows)
        {
            if (words.Any(word => what.Contains(word, StringComparison.Ordinal)))
            {
                return advice;
            }
        }

        // Of all parameters at once; the other gradients are those of a micro-batch, as is all the rest.
        return what == "gradients" ? For("moments") : Training;
    }

    /// <summary>An error's message, with advice where memory was short.</summary>
    /// <param name="error">Any error.</param>
    public static string Describe(Exception error)
    {
        ArgumentNullException.ThrowIfNull(error);
        return error is NativeException { Status: LlasaStatus.OutOfMemory } && Allocating().Match(error.Message) is { Success: true } match
            && For(match.Groups["what"].Value) is { } advice
            ? $"{error.Message}; {advice}"
            : error.Message;
    }

    [GeneratedRegex(@"allocating -?\d+ bytes for (?<what>[^:;]+)")]
    private static partial Regex Allocating();
}
