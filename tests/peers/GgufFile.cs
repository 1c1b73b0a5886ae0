using System.Text;
using LlasaNative.Weights;

namespace LlasaNative.Peers;

/// <summary>Writes a Llama as a GGUF file (version 3) without a tokenizer, for llama.cpp's benchmarks.</summary>
internal static class GgufFile
{
    private const int Alignment = 32;

    private static readonly (string Ours, string Theirs)[] LayerNames =
    [
        ("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"), ("self_attn.v_proj", "attn_v"), ("self_attn.o_proj", "attn_output"),
        ("mlp.gate_proj", "ffn_gate"), ("mlp.up_proj", "ffn_up"), ("mlp.down_proj", "ffn_down"),
        ("input_layernorm", "attn_norm"), ("post_attention_layernorm", "ffn_norm"),
    ];

    private sealed record Part(string Name, TensorInfo Source, uint Type, long Bytes, int RotatedHeads);

    /// <summary>Matrices as bf16, vectors as f32.</summary>
    public static void Write(string model, string path)
    {
        using var directory = HuggingFaceDirectory.Open(model);
        var config = LlamaConfig.FromDirectory(directory);
        Part[] parts = [.. Parts(directory, config)];
        using BinaryWriter file = new(File.Create(path));
        var values = Values(config);
        file.Write("GGUF"u8);
        file.Write(3u);
        file.Write((ulong)parts.Length);
        file.Write((ulong)values.Count);
        values.ForEach(write => write(file));
        var offset = 0L;
        foreach (var part in parts)
        {
            Text(file, part.Name);
            file.Write((uint)part.Source.Shape.Length);
            foreach (var extent in part.Source.Shape.Reverse())
            {
                file.Write((ulong)extent);
            }

            file.Write(part.Type);
            file.Write((ulong)offset);
            offset += Padded(part.Bytes);
        }

        Pad(file);
        foreach (var part in parts)
        {
            WriteValues(file, directory, config, part);
            Pad(file);
        }
    }

    private static IEnumerable<Part> Parts(HuggingFaceDirectory directory, LlamaConfig config)
    {
        yield return Make("token_embd.weight", "model.embed_tokens.weight");
        yield return Make("output_norm.weight", "model.norm.weight");
        if (!config.TieWordEmbeddings)
        {
            yield return Make("output.weight", "lm_head.weight");
        }

        for (var i = 0; i < config.Layers; i++)
        {
            foreach (var (ours, theirs) in LayerNames)
            {
                yield return Make($"blk.{i}.{theirs}.weight", $"model.layers.{i}.{ours}.weight",
                    theirs switch { "attn_q" => config.QueryHeads, "attn_k" => config.KeyValueHeads, _ => 0 });
            }
        }

        Part Make(string name, string source, int rotatedHeads = 0)
        {
            var info = directory.GetInfo(source);
            // GGML_TYPE_F32 and GGML_TYPE_BF16.
            return info.Shape.Length == 1 ? new Part(name, info, 0, info.ElementCount * 4, 0) : new Part(name, info, 30, info.ElementCount * 2, rotatedHeads);
        }
    }

    private static List<Action<BinaryWriter>> Values(LlamaConfig c)
    {
        // GGUF_TYPE_UINT32, FLOAT32 and STRING.
        Action<BinaryWriter> Number(string key, int value) => f => { Text(f, key); f.Write(4u); f.Write((uint)value); };
        Action<BinaryWriter> Real(string key, double value) => f => { Text(f, key); f.Write(6u); f.Write((float)value); };
        Action<BinaryWriter> Word(string key, string value) => f => { Text(f, key); f.Write(8u); Text(f, value); };
        return
        [
            Word("general.architecture", "llama"), Word("general.name", "random"), Number("general.file_type", 32),
            Number("llama.context_length", c.MaxPositions), Number("llama.embedding_length", c.HiddenSize), Number("llama.block_count", c.Layers),
            Number("llama.feed_forward_length", c.IntermediateSize), Number("llama.attention.head_count", c.QueryHeads),
            Number("llama.attention.head_count_kv", c.KeyValueHeads), Real("llama.attention.layer_norm_rms_epsilon", c.RmsNormEpsilon),
            Number("llama.attention.key_length", c.HeadDimension), Number("llama.attention.value_length", c.HeadDimension),
            Number("llama.rope.dimension_count", c.HeadDimension), Real("llama.rope.freq_base", c.RopeTheta),
            Number("llama.vocab_size", c.VocabularySize), Word("tokenizer.ggml.model", "no_vocab"),
        ];
    }

    /// <summary>llama.cpp turns neighbouring elements of a head against each other, Transformers halves of it: the rows are put in its order.</summary>
    private static void WriteValues(BinaryWriter file, HuggingFaceDirectory directory, LlamaConfig config, Part part)
    {
        var values = directory.ReadFloats(part.Source.Name);
        if (part.RotatedHeads > 0)
        {
            var (half, width) = (config.HeadDimension / 2, config.HiddenSize);
            var turned = new float[values.Length];
            for (var row = 0; row < part.RotatedHeads * config.HeadDimension; row++)
            {
                var (head, within) = (row / config.HeadDimension, row % config.HeadDimension);
                var target = (head * config.HeadDimension) + (2 * (within % half)) + (within / half);
                values.AsSpan(row * width, width).CopyTo(turned.AsSpan(target * width));
            }

            values = turned;
        }

        var bytes = new byte[part.Bytes];
        TensorConversion.FromSingle(values, part.Type == 0 ? TensorType.F32 : TensorType.BF16, bytes);
        file.Write(bytes);
    }

    private static void Text(BinaryWriter file, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        file.Write((ulong)bytes.Length);
        file.Write(bytes);
    }

    private static long Padded(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;

    private static void Pad(BinaryWriter file)
    {
        while (file.BaseStream.Position % Alignment != 0)
        {
            file.Write((byte)0);
        }
    }
}
