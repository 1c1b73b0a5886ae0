using System.Runtime.InteropServices;

namespace LlasaNative.Interop;

/// <summary>Whisper of any size: log-mel, encoder, greedy transcript, teacher-forced NLL.</summary>
/// <remarks>One thread at a time.</remarks>
public sealed unsafe class NativeWhisper : IDisposable
{
    private readonly WhisperHandle _handle;
    private readonly NativeWhisperOptions _options;

    /// <summary>Creates a recogniser with all weights unset.</summary>
    /// <param name="options">From <see cref="NativeWhisperOptions.CreateDefault"/>.</param>
    public NativeWhisper(in NativeWhisperOptions options)
    {
        _handle = Native.WhisperCreate(options);
        _options = options;
    }

    /// <summary>The sizes it was created with.</summary>
    public NativeWhisperOptions Options => _options;

    /// <summary>Mel frames of one window.</summary>
    public int WindowFrames => 2 * _options.MaxSourcePositions;

    /// <summary>Every parameter in model order, with whether it is set.</summary>
    public IReadOnlyList<NativeTensor> GetTensors()
    {
        var tensors = new NativeTensor[Native.WhisperTensorCount(_handle)];
        for (var i = 0; i < tensors.Length; i++)
        {
            var info = TensorInfoRaw.Create();
            Native.Check(NativeMethods.llasa_whisper_tensor_info(_handle, i, &info));
            tensors[i] = NativeTensor.From(info);
        }

        return tensors;
    }

    /// <inheritdoc cref="NativePolicy.SetTensor(string, NativeDType, ReadOnlySpan{long}, ReadOnlySpan{byte})"/>
    public void SetTensor(string name, NativeDType dtype, ReadOnlySpan<long> shape, ReadOnlySpan<byte> data) =>
        Native.WhisperSetTensor(_handle, name, dtype, shape, data);

    /// <inheritdoc cref="NativePolicy.SetTensor(string, NativeDType, ReadOnlySpan{long}, SafeBuffer, long)"/>
    public void SetTensor(string name, NativeDType dtype, ReadOnlySpan<long> shape, SafeBuffer buffer, long offset)
    {
        ArgumentNullException.ThrowIfNull(name);
        using var memory = new BorrowedMemory(buffer, offset, NativeTensor.SizeInBytes(shape, dtype));
        fixed (long* axes = shape)
        {
            Native.Check(NativeMethods.llasa_whisper_set_tensor(_handle, name, dtype, axes, shape.Length, memory.Pointer));
        }
    }

    /// <summary>Log-mel features of one window; the waveform is cut or zero-padded to it.</summary>
    /// <param name="waveform">16 kHz mono.</param>
    /// <returns>[num_mel_bins, WindowFrames].</returns>
    public float[] LogMel(ReadOnlySpan<float> waveform)
    {
        var features = new float[checked(_options.NumMelBins * WindowFrames)];
        fixed (float* samples = waveform)
        fixed (float* values = features)
        {
            Native.Check(NativeMethods.llasa_whisper_log_mel(_handle, samples, waveform.Length, values));
        }

        return features;
    }

    /// <summary>Encoder output. For checks.</summary>
    /// <param name="features">[B, num_mel_bins, WindowFrames].</param>
    /// <param name="clips">B.</param>
    /// <returns>[B, max_source_positions, d_model].</returns>
    public float[] Encode(ReadOnlySpan<float> features, int clips)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(clips);
        Checks.Length(features.Length, checked((long)clips * _options.NumMelBins * WindowFrames), nameof(features));
        var states = new float[checked(clips * _options.MaxSourcePositions * _options.DModel)];
        fixed (float* input = features)
        fixed (float* output = states)
        {
            Native.Check(NativeMethods.llasa_whisper_encode(_handle, input, clips, output));
        }

        return states;
    }

    /// <summary>Teacher-forced decoder logits of one clip. For checks.</summary>
    /// <param name="states">[max_source_positions, d_model].</param>
    /// <param name="tokenIds">[T] ids.</param>
    /// <returns>[T, vocab_size].</returns>
    public float[] Logits(ReadOnlySpan<float> states, ReadOnlySpan<int> tokenIds)
    {
        Checks.Length(states.Length, (long)_options.MaxSourcePositions * _options.DModel, nameof(states));
        var logits = new float[checked(tokenIds.Length * _options.VocabSize)];
        fixed (float* input = states)
        fixed (int* ids = tokenIds)
        fixed (float* output = logits)
        {
            Native.Check(NativeMethods.llasa_whisper_logits(_handle, input, ids, tokenIds.Length, output));
        }

        return logits;
    }

    /// <summary>Transcript and NLL of waveforms from one encoder pass.</summary>
    /// <param name="waveformOffsets">[B+1] start of each clip.</param>
    /// <param name="waveforms">16 kHz mono samples of all clips.</param>
    /// <param name="request">What to compute.</param>
    public NativeWhisperResult Score(ReadOnlySpan<long> waveformOffsets, ReadOnlySpan<float> waveforms, NativeWhisperRequest request)
    {
        Checks.ItemCount(waveformOffsets, nameof(waveformOffsets));
        Checks.Length(waveforms.Length, Checks.Offsets(waveformOffsets, nameof(waveformOffsets)), nameof(waveforms));
        return Run(waveformOffsets, waveforms, null, [], [], request, []);
    }

    /// <summary>Vocodes and scores in one call; the waveform stays on the device in between.</summary>
    /// <param name="codec">Turns the codes into speech.</param>
    /// <param name="codeOffsets">[B+1] start of each clip's codes; a clip without codes is scored as silence.</param>
    /// <param name="codes">Codes of all clips.</param>
    /// <param name="request">What to compute.</param>
    /// <param name="waveforms">[codeOffsets[B] * SamplesPerCode] receives the speech; empty = not wanted.</param>
    public NativeWhisperResult ScoreCodes(
        NativeCodec codec, ReadOnlySpan<long> codeOffsets, ReadOnlySpan<int> codes, NativeWhisperRequest request, Span<float> waveforms = default)
    {
        ArgumentNullException.ThrowIfNull(codec);
        Checks.ItemCount(codeOffsets, nameof(codeOffsets));
        var total = Checks.Offsets(codeOffsets, nameof(codeOffsets));
        Checks.Length(codes.Length, total, nameof(codes));
        Checks.OptionalLength(waveforms.Length, checked(total * codec.SamplesPerCode), nameof(waveforms));
        return Run([], [], codec, codeOffsets, codes, request, waveforms);
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    private NativeWhisperResult Run(
        ReadOnlySpan<long> waveformOffsets, ReadOnlySpan<float> waveforms, NativeCodec? codec, ReadOnlySpan<long> codeOffsets,
        ReadOnlySpan<int> codes, NativeWhisperRequest request, Span<float> speech)
    {
        var clips = (codec is null ? waveformOffsets.Length : codeOffsets.Length) - 1;
        request.Check(clips, _options.VocabSize);
        var result = new NativeWhisperResult(clips, request.MaxNewTokens, !request.TargetOffsets.IsEmpty);
        fixed (long* offsets = waveformOffsets, codeStarts = codeOffsets, targets = request.TargetOffsets)
        fixed (long* most = request.MaxCharacters, looping = request.LoopCharacters)
        fixed (int* characters = request.IdCharacters, early = result.EarlyEndArray)
        fixed (float* samples = waveforms, spoken = speech)
        fixed (int* codeIds = codes, prompt = request.PromptIds, suppress = request.SuppressIds)
        fixed (int* begin = request.BeginSuppressIds, targetIds = request.TargetIds, targetFirst = request.TargetFirst)
        fixed (int* knownLanguages = request.LanguageIds, ends = request.EndIds)
        fixed (int* tokens = result.TokenArray, lengths = result.LengthArray, languages = result.LanguageArray)
        fixed (float* means = result.MeanLogProbArray, noSpeech = result.NoSpeechArray, nlls = result.NllArray)
        {
            var input = WhisperRequestRaw.Create();
            input.MaxNewTokens = request.MaxNewTokens;
            input.NumClips = clips;
            input.WaveformOffsets = offsets;
            input.Waveforms = samples;
            input.PromptIds = prompt;
            input.PromptLength = request.PromptIds.Length;
            input.LanguageSlot = request.LanguageSlot;
            input.LanguageIds = knownLanguages;
            input.NumLanguageIds = request.LanguageIds.Length;
            input.EndIds = ends;
            input.NumEndIds = request.EndIds.Length;
            input.NoSpeechToken = request.NoSpeechToken;
            input.SuppressIds = suppress;
            input.NumSuppress = request.SuppressIds.Length;
            input.BeginSuppressIds = begin;
            input.NumBeginSuppress = request.BeginSuppressIds.Length;
            input.TargetOffsets = targets;
            input.TargetIds = targetIds;
            input.TargetFirst = targetFirst;
            input.TargetLanguageSlot = request.TargetLanguageSlot;
            input.MinWindowSamples = request.MinWindowSamples;
            input.SilenceRms = request.SilenceRms;
            input.IdCharacters = characters;
            input.MaxCharacters = most;
            input.LoopCharacters = looping;
            var output = WhisperResultRaw.Create();
            output.Tokens = tokens;
            output.Lengths = lengths;
            output.MeanLogProbs = means;
            output.NoSpeechProbs = noSpeech;
            output.Languages = languages;
            output.MeanNlls = nlls;
            output.EndedEarly = early;
            Native.Check(codec is null
                ? NativeMethods.llasa_whisper_score(_handle, &input, &output)
                : NativeMethods.llasa_whisper_score_codes(_handle, codec.Handle, codeStarts, codeIds, &input, &output, spoken));
            result.CodecSeconds = output.CodecSeconds;
        }

        return result;
    }
}
