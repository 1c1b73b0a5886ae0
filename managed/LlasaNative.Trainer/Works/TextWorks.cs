namespace LlasaNative.Trainer.Works;

/// <summary>Drawing tokens from logits, and making tokens of text.</summary>
internal static class TextWorks
{
    /// <summary>Tokens drawn from logits of a normal distribution.</summary>
    public static WorkResult Sample(WorkSettings settings, int vocabulary, int topK, double topP)
    {
        var rows = settings.Batch ?? 16;
        var logits = new float[checked(rows * vocabulary)];
        for (var i = 0; i < logits.Length; i++)
        {
            // Twelve uniform numbers make a normal one.
            var sum = 0.0;
            for (var k = 0; k < 3; k++)
            {
                var (a, b) = Philox.Draw(1, (ulong)i, (ulong)k);
                sum += (uint)a + (a >> 32) + (double)(uint)b + (b >> 32);
            }

            logits[i] = (float)(3 * ((sum / uint.MaxValue) - 6));
        }

        var sampling = NativeSamplingOptions.CreateDefault();
        (sampling.TopK, sampling.TopP, sampling.Temperature) = (topK, (float)topP, 0.8f);
        ulong[] sequences = [.. Enumerable.Range(0, rows).Select(i => (ulong)i)];
        var (positions, ids, logProbs) = (new long[rows], new int[rows], new float[rows]);
        // One call takes a thousandth of a second.
        const int Calls = 10;
        var seconds = settings.Time(() =>
        {
            for (var call = 0; call < Calls; call++)
            {
                sampling.Seed++;
                NativeKernels.Sample(sampling, logits, vocabulary, sequences, positions, ids, logProbs);
            }
        });
        return new WorkResult("sample", [.. seconds.Select(s => s / Calls)], rows, "tokens")
        {
            Bytes = 4.0 * rows * vocabulary,
            Settings = PolicyWorks.Chosen(("batch", rows), ("vocabulary", vocabulary), ("top_k", topK), ("top_p", topP)),
        };
    }

    /// <summary>A file made into tokens, line by line, on one thread.</summary>
    public static WorkResult Tokenize(string model, string file, WorkSettings settings)
    {
        var tokenizer = ByteLevelBpe.FromDirectory(model);
        var bytes = FileErrors.ReadAllBytes(file);
        var lines = System.Text.Encoding.UTF8.GetString(bytes).Split('\n');
        long tokens = 0;
        var seconds = settings.Time(() => tokens = lines.Sum(line => (long)tokenizer.Encode(line).Length));
        return new WorkResult("tokenize", seconds, bytes.Length / 1e6, "MB")
        {
            Settings = PolicyWorks.Chosen(("bytes", bytes.Length), ("tokens", tokens)),
        };
    }
}
