using System.Runtime.InteropServices;

namespace LlasaNative.WhisperNet;

/// <summary>The functions of whisper.cpp's <c>whisper.h</c> that a forced likelihood needs and Whisper.net does not wrap.</summary>
internal static unsafe partial class NativeMethods
{
    private const string Library = "libwhisper.so.1";

    /// <summary><c>whisper_context_params</c>; <c>bool</c> is one byte.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct ContextParameters
    {
        public byte UseGpu;
        public byte FlashAttention;
        public int GpuDevice;
        public byte TokenTimestamps;
        public int HeadsPreset;
        public int TopHeads;
        public nuint HeadCount;
        public nint Heads;
        public nuint TimestampMemory;
    }

    [LibraryImport(Library, EntryPoint = "whisper_context_default_params_by_ref")]
    public static partial ContextParameters* DefaultParameters();

    [LibraryImport(Library, EntryPoint = "whisper_free_context_params")]
    public static partial void FreeParameters(ContextParameters* parameters);

    [LibraryImport(Library, EntryPoint = "whisper_init_from_file_with_params_no_state", StringMarshalling = StringMarshalling.Utf8)]
    public static partial GgmlContextHandle Open(string path, ContextParameters parameters);

    [LibraryImport(Library, EntryPoint = "whisper_free")]
    public static partial void Free(nint context);

    [LibraryImport(Library, EntryPoint = "whisper_init_state")]
    public static partial GgmlStateHandle CreateState(GgmlContextHandle context);

    [LibraryImport(Library, EntryPoint = "whisper_free_state")]
    public static partial void FreeState(nint state);

    [LibraryImport(Library, EntryPoint = "whisper_pcm_to_mel_with_state")]
    public static partial int ToMel(GgmlContextHandle context, GgmlStateHandle state, float* samples, int count, int threads);

    [LibraryImport(Library, EntryPoint = "whisper_set_mel_with_state")]
    public static partial int SetMel(GgmlContextHandle context, GgmlStateHandle state, float* mel, int frames, int bins);

    [LibraryImport(Library, EntryPoint = "whisper_encode_with_state")]
    public static partial int Encode(GgmlContextHandle context, GgmlStateHandle state, int offset, int threads);

    [LibraryImport(Library, EntryPoint = "whisper_decode_with_state")]
    public static partial int Decode(GgmlContextHandle context, GgmlStateHandle state, int* tokens, int count, int past, int threads);

    [LibraryImport(Library, EntryPoint = "whisper_get_logits_from_state")]
    public static partial float* Logits(GgmlStateHandle state);
}
