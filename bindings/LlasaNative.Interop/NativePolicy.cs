using System.Runtime.InteropServices;

namespace LlasaNative.Interop;

/// <summary>A Llama language model: weights and nothing else.</summary>
/// <remarks>
/// One thread at a time, its rollouts and trainers included. They keep the weights alive natively, so any order
/// of disposal is fine.
/// </remarks>
/// <example>
/// <code>
/// var options = NativePolicyOptions.CreateDefault();
/// options.VocabSize = 512; // and the other sizes
/// using var policy = new NativePolicy(options);
/// foreach (var tensor in policy.GetTensors())
/// {
///     policy.SetTensor(tensor.Name, [.. tensor.Shape], values);
/// }
/// </code>
/// </example>
public sealed unsafe class NativePolicy : IDisposable
{
    private readonly NativePolicyOptions _options;

    /// <summary>Creates a policy with all weights unset.</summary>
    /// <param name="options">Sizes, from <see cref="NativePolicyOptions.CreateDefault"/>.</param>
    /// <exception cref="NativeException">A size is out of range or memory is short.</exception>
    public NativePolicy(in NativePolicyOptions options)
    {
        Handle = Native.PolicyCreate(options);
        _options = options;
    }

    /// <summary>The sizes it was created with.</summary>
    public NativePolicyOptions Options => _options;

    internal PolicyHandle Handle { get; }

    /// <summary>Every parameter in model order, with whether it is set.</summary>
    public IReadOnlyList<NativeTensor> GetTensors()
    {
        var tensors = new NativeTensor[Native.PolicyTensorCount(Handle)];
        for (var i = 0; i < tensors.Length; i++)
        {
            var info = TensorInfoRaw.Create();
            Native.Check(NativeMethods.llasa_policy_tensor_info(Handle, i, &info));
            tensors[i] = NativeTensor.From(info);
        }

        return tensors;
    }

    /// <summary>Copies a parameter in, converted from <paramref name="dtype"/>.</summary>
    /// <param name="name">Hugging Face name.</param>
    /// <param name="dtype">Element type of <paramref name="data"/>.</param>
    /// <param name="shape">Must equal the model's.</param>
    /// <param name="data">Row-major elements.</param>
    /// <exception cref="NativeException">Unknown name, another shape, or a value that is not finite.</exception>
    public void SetTensor(string name, NativeDType dtype, ReadOnlySpan<long> shape, ReadOnlySpan<byte> data) =>
        Native.PolicySetTensor(Handle, name, dtype, shape, data);

    /// <inheritdoc cref="SetTensor(string, NativeDType, ReadOnlySpan{long}, ReadOnlySpan{byte})"/>
    public void SetTensor(string name, ReadOnlySpan<long> shape, ReadOnlySpan<float> data)
    {
        ArgumentNullException.ThrowIfNull(name);
        Checks.Length(data.Length * 4L, NativeTensor.SizeInBytes(shape, NativeDType.F32), nameof(data));
        fixed (long* axes = shape)
        fixed (float* values = data)
        {
            Native.Check(NativeMethods.llasa_policy_set_tensor(Handle, name, NativeDType.F32, axes, shape.Length, values));
        }
    }

    /// <summary>Copies a parameter in from a memory map or other buffer of any size.</summary>
    /// <param name="name">Hugging Face name.</param>
    /// <param name="dtype">Element type.</param>
    /// <param name="shape">Must equal the model's.</param>
    /// <param name="buffer">For a memory-mapped view, its <c>SafeMemoryMappedViewHandle</c>.</param>
    /// <param name="offset">First byte of the tensor in the buffer (a view's <c>PointerOffset</c> included).</param>
    public void SetTensor(string name, NativeDType dtype, ReadOnlySpan<long> shape, SafeBuffer buffer, long offset)
    {
        ArgumentNullException.ThrowIfNull(name);
        using var memory = new BorrowedMemory(buffer, offset, NativeTensor.SizeInBytes(shape, dtype));
        fixed (long* axes = shape)
        {
            Native.Check(NativeMethods.llasa_policy_set_tensor(Handle, name, dtype, axes, shape.Length, memory.Pointer));
        }
    }

    /// <summary>Copies a parameter out, rounded to <paramref name="dtype"/>.</summary>
    /// <param name="name">Hugging Face name.</param>
    /// <param name="dtype">Element type wanted.</param>
    /// <param name="destination">Exactly the bytes it takes.</param>
    public void GetTensor(string name, NativeDType dtype, Span<byte> destination) =>
        Native.PolicyGetTensor(Handle, name, dtype, destination);

    /// <summary>Copies a parameter out as 32-bit floats.</summary>
    /// <param name="name">Hugging Face name.</param>
    /// <param name="destination">Exactly its elements.</param>
    public void GetTensor(string name, Span<float> destination)
    {
        ArgumentNullException.ThrowIfNull(name);
        fixed (float* values = destination)
        {
            Native.Check(NativeMethods.llasa_policy_get_tensor(Handle, name, NativeDType.F32, values, destination.Length * 4L));
        }
    }

    /// <summary>Copies a parameter out into a memory map or other buffer of any size.</summary>
    /// <param name="name">Hugging Face name.</param>
    /// <param name="dtype">Element type wanted.</param>
    /// <param name="buffer">Where to; must be writable.</param>
    /// <param name="offset">First byte to write.</param>
    /// <param name="sizeInBytes">Exactly the bytes it takes.</param>
    public void GetTensor(string name, NativeDType dtype, SafeBuffer buffer, long offset, long sizeInBytes)
    {
        ArgumentNullException.ThrowIfNull(name);
        using var memory = new BorrowedMemory(buffer, offset, sizeInBytes);
        Native.Check(NativeMethods.llasa_policy_get_tensor(Handle, name, dtype, memory.Pointer, sizeInBytes));
    }

    /// <summary>Takes over every weight of a policy of the same sizes.</summary>
    /// <param name="source">Where from.</param>
    public void CopyWeightsFrom(NativePolicy source)
    {
        ArgumentNullException.ThrowIfNull(source);
        Native.PolicyCopyWeights(Handle, source.Handle);
    }

    /// <summary>Brings weights that were shared out over ranks together, for rollouts and log-probs; every rank calls it.</summary>
    public void Gather() => Native.PolicyGather(Handle);

    /// <summary>Shares a frozen policy's weights out, once and for good: each rank keeps its part alone. Every rank calls it; of one rank it does nothing.</summary>
    /// <param name="world">The ranks; kept.</param>
    /// <remarks>From then on every rank calls <see cref="LogProbs"/> as often as the others, with no sequences where it has none; all else needs <see cref="Gather"/>.</remarks>
    /// <exception cref="NativeException">The policy is not frozen, in 8 bits, has an adapter or is shared out already.</exception>
    public void ShareOut(NativeWorld world)
    {
        ArgumentNullException.ThrowIfNull(world);
        Native.PolicyShareOut(Handle, world.Handle);
    }

    /// <summary>Where a parameter lies, for an engine that trains in place.</summary>
    /// <param name="name">Hugging Face name.</param>
    /// <param name="dtype">Its element type: 32-bit floats, or bf16 where nothing else is kept.</param>
    /// <returns>First element, in memory of the device the library computes on; valid as long as the policy, its rollouts or its trainers live.</returns>
    /// <remarks>
    /// After writing call <see cref="TensorsChanged"/>. The first call for a frozen policy in bf16 may put its matrices back into rows, during
    /// which they take twice the memory, and after which decoding is slower. <b>Threads:</b> the policy's.
    /// </remarks>
    public void* GetTensorMemory(string name, out NativeDType dtype)
    {
        void* data;
        fixed (NativeDType* type = &dtype)
        {
            Native.Check(NativeMethods.llasa_policy_tensor_data(Handle, name, &data, type));
        }

        return data;
    }

    /// <summary>Tells the policy that values were written into its memory, so that it brings its bf16 copies up to date.</summary>
    public void TensorsChanged() => Native.PolicyTensorsChanged(Handle);

    /// <summary>Puts a low-rank adapter beside the weights, once; its tensors must then be set. Trainers created before are of no use.</summary>
    /// <param name="options">From <see cref="NativeLoraOptions.CreateDefault"/>.</param>
    /// <exception cref="NativeException">An option is out of range, or there is an adapter already.</exception>
    public void AttachLora(in NativeLoraOptions options) => Native.PolicyAttachLora(Handle, options);

    /// <summary>Switches the adapter on or off: off, everything computed is that of the base weights.</summary>
    /// <param name="on">Whether it takes part.</param>
    public void UseLora(bool on) => Native.PolicyUseLora(Handle, on ? 1 : 0);

    /// <summary>Copies a base parameter out with the adapter's product added.</summary>
    /// <param name="name">Hugging Face name.</param>
    /// <param name="destination">Exactly its elements.</param>
    public void GetMergedTensor(string name, Span<float> destination)
    {
        ArgumentNullException.ThrowIfNull(name);
        fixed (float* values = destination)   // the bytes of an 8B model's embedding are more than a span has
        {
            Native.Check(NativeMethods.llasa_policy_get_merged_tensor(Handle, name, NativeDType.F32, values, destination.Length * 4L));
        }
    }

    /// <summary>Logits of every position of one sequence. For checks; training never holds this array.</summary>
    /// <param name="tokenIds">[T] ids.</param>
    /// <param name="logits">[T, V], unscaled.</param>
    public void Logits(ReadOnlySpan<int> tokenIds, Span<float> logits)
    {
        Checks.Length(logits.Length, (long)tokenIds.Length * _options.VocabSize, nameof(logits));
        fixed (int* ids = tokenIds)
        fixed (float* values = logits)
        {
            Native.Check(NativeMethods.llasa_policy_logits(Handle, ids, tokenIds.Length, values));
        }
    }

    /// <summary>Log-prob of each scored token given everything before it.</summary>
    /// <param name="batch">The sequences.</param>
    /// <param name="head">Temperature and allowed ids.</param>
    /// <param name="logProbs">[N] for the scored tokens.</param>
    /// <param name="entropies">[N] in nats, or empty.</param>
    /// <param name="microBatchTokens">Tokens computed at a time; 0 lets the library choose.</param>
    public void LogProbs(
        NativeTokenBatch batch, in NativeHeadOptions head, Span<float> logProbs, Span<float> entropies = default, long microBatchTokens = 0)
    {
        Checks.Length(logProbs.Length, batch.ScoredTokens, nameof(logProbs));
        Checks.OptionalLength(entropies.Length, batch.ScoredTokens, nameof(entropies));
        fixed (long* offsets = batch.Offsets)
        fixed (int* ids = batch.TokenIds)
        fixed (long* prompts = batch.PromptLengths)
        fixed (NativeHeadOptions* headPointer = &head)
        fixed (float* values = logProbs)
        fixed (float* entropyValues = entropies)
        {
            var raw = batch.Raw(offsets, ids, prompts);
            Native.Check(NativeMethods.llasa_policy_logprobs(Handle, &raw, headPointer, microBatchTokens, values, entropyValues));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Handle.Dispose();
}
