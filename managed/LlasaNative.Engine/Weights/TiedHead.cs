namespace LlasaNative.Weights;

/// <summary>An output head that a configuration may tie to the embedding, and what a directory really stores of the two.</summary>
/// <remarks>
/// As Transformers 5 decides: of a tied pair either may be stored alone and stands for both; where both are stored and
/// differ, they are not tied, whatever the configuration says.
/// </remarks>
internal sealed record TiedHead(string Embedding, string Head)
{
    private const int ChunkElements = 1 << 18;

    /// <summary>That of <c>LlamaForCausalLM</c>.</summary>
    public static TiedHead Llama { get; } = new("model.embed_tokens.weight", "lm_head.weight");

    /// <summary>That of <c>WhisperForConditionalGeneration</c>.</summary>
    public static TiedHead Whisper { get; } = new("model.decoder.embed_tokens.weight", "proj_out.weight");

    /// <summary>The tensor that holds a parameter of a tied model.</summary>
    public string StoredName(HuggingFaceDirectory directory, string parameter) =>
        parameter == Embedding && !directory.Contains(Embedding) && directory.Contains(Head) ? Head : parameter;

    /// <summary>Whether both are stored and hold different numbers.</summary>
    public bool Differs(HuggingFaceDirectory directory)
    {
        if (!directory.Contains(Embedding) || !directory.Contains(Head))
        {
            return false;
        }

        (TensorInfo embedding, TensorInfo head) = (directory.GetInfo(Embedding), directory.GetInfo(Head));
        if (!embedding.HasShape(head.Shape.AsSpan()) || !TensorConversion.IsFloat(embedding.Type) || !TensorConversion.IsFloat(head.Type))
        {
            return true;
        }

        (float[] left, float[] right) = (new float[ChunkElements], new float[ChunkElements]);
        for (long start = 0; start < embedding.ElementCount; start += ChunkElements)
        {
            int count = (int)Math.Min(ChunkElements, embedding.ElementCount - start);
            if (!Read(directory, embedding, start, left.AsSpan(0, count)).SequenceEqual(Read(directory, head, start, right.AsSpan(0, count))))
            {
                return true;
            }
        }

        return false;
    }

    private static ReadOnlySpan<float> Read(HuggingFaceDirectory directory, TensorInfo tensor, long start, Span<float> values)
    {
        int size = tensor.Type.SizeInBytes();
        SafeTensorsFile file = directory.FileOf(tensor.Name);
        TensorConversion.ToSingle(file.GetBytes(tensor.Name, start * size, values.Length * size), tensor.Type, values);
        file.Release(tensor.Name, start * size, values.Length * size);
        return values;
    }
}
