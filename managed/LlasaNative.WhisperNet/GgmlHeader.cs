using System.Text;

namespace LlasaNative.WhisperNet;

/// <summary>What stands before the weights in a ggml file of Whisper: sizes, and the bytes of every text token.</summary>
/// <param name="VocabularySize">Number of token ids.</param>
/// <param name="AudioContext">Encoder positions of one window; 320 samples each.</param>
/// <param name="TextContext">Decoder positions.</param>
/// <param name="MelBins">Mel bins per frame.</param>
/// <param name="Tokens">Bytes of the text tokens, by id.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record GgmlHeader(int VocabularySize, int AudioContext, int TextContext, int MelBins, IReadOnlyList<byte[]> Tokens)
{
    private const int Magic = 0x67676d6c;
    private const int FrequencyBins = 201;
    private static readonly string[] Fields =
    [
        "n_vocab", "n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer", "n_text_ctx", "n_text_state", "n_text_head", "n_text_layer", "n_mels", "ftype",
    ];

    /// <summary>Samples of one window at 16 kHz.</summary>
    public int WindowSamples => AudioContext * 320;

    /// <summary>Reads the beginning of a file.</summary>
    /// <param name="path">Path of a ggml file.</param>
    /// <exception cref="ModelFileException">It is missing or no ggml file of Whisper; the message names file and field.</exception>
    public static GgmlHeader Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            using var stream = File.OpenRead(path);
            using BinaryReader reader = new(stream, Encoding.UTF8);
            return Read(reader, path);
        }
        catch (EndOfStreamException e)
        {
            throw new ModelFileException(path, null, "ends within its header", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ModelFileException(path, null, e.Message, e);
        }
    }

    private static GgmlHeader Read(BinaryReader reader, string path)
    {
        var magic = reader.ReadInt32();
        ModelFileException.ThrowIf(
            magic != Magic, path, "magic", $"0x{magic:x8}, expected 0x{Magic:x8}: this is no ggml file of Whisper (GGUF is not read)");
        var sizes = Fields.ToDictionary(name => name, name => Size(reader, path, name, name == "ftype" ? 0 : 1, 1 << 20));
        var (mels, bins) = (Size(reader, path, "filters.n_mel", 1, 4096), Size(reader, path, "filters.n_fft", 1, 4096));
        ModelFileException.ThrowIf(
            mels != sizes["n_mels"] || bins != FrequencyBins, path, "filters", $"[{mels}, {bins}], expected [{sizes["n_mels"]}, {FrequencyBins}]");
        reader.BaseStream.Seek(4L * mels * bins, SeekOrigin.Current);
        var tokens = new byte[Size(reader, path, "vocab.n", 1, sizes["n_vocab"])][];
        for (var id = 0; id < tokens.Length; id++)
        {
            var length = Size(reader, path, $"vocab[{id}]", 0, 1 << 16);
            tokens[id] = reader.ReadBytes(length);
            if (tokens[id].Length < length)
            {
                throw new EndOfStreamException();
            }
        }

        return new GgmlHeader(
            VocabularySize: sizes["n_vocab"],
            AudioContext: sizes["n_audio_ctx"],
            TextContext: sizes["n_text_ctx"],
            MelBins: mels,
            Tokens: tokens);
    }

    private static int Size(BinaryReader reader, string path, string field, int least, int most)
    {
        var value = reader.ReadInt32();
        return value >= least && value <= most ? value : throw new ModelFileException(path, field, $"{value}, expected {least} to {most}");
    }
}
