namespace LlasaNative.Models;

/// <summary>Carries the parameters of a checkpoint into a native model, straight from the memory map.</summary>
internal static class WeightLoader
{
    public delegate void Setter(string name, NativeDType dtype, ReadOnlySpan<long> shape, SafeBuffer buffer, long offset);

    /// <summary>Sets every parameter the model needs, and those it merely accepts when the checkpoint has them.</summary>
    /// <param name="directory">Where they are stored.</param>
    /// <param name="tensors">Those of the model.</param>
    /// <param name="set">Sets one.</param>
    /// <param name="tied">The head that is the embedding, which may then be stored under the name of either; null for none.</param>
    public static void Load(HuggingFaceDirectory directory, IReadOnlyList<NativeTensor> tensors, Setter set, TiedHead? tied = null)
    {
        foreach (var tensor in tensors)
        {
            if (tensor.IsOptional && !directory.Contains(tensor.Name))
            {
                continue;
            }

            var stored = tied?.StoredName(directory, tensor.Name) ?? tensor.Name;
            long[] shape = [.. tensor.Shape];
            var info = directory.Require(stored, shape);
            var file = directory.FileOf(stored);
            NativeErrors.AboutFile(file.Path, stored, () =>
            {
                if (info.Type is TensorType.F32 or TensorType.F16 or TensorType.BF16)
                {
                    using MappedBuffer buffer = new(file.GetAddress(stored), info.ByteLength);
                    set(tensor.Name, ToNative(info.Type), shape, buffer, 0);
                    file.Release(stored);   // the model has values of its own
                }
                else
                {
                    SetConverted(file.ReadFloats(stored), tensor.Name, shape, set);
                }
            });
        }

        directory.Release();
    }

    /// <summary>Warns of weights that a model has no place for, such as biases that its configuration does not mention: it may be of another kind.</summary>
    /// <param name="directory">Where they are stored.</param>
    /// <param name="tensors">Those of the model.</param>
    /// <param name="tied">The head that is the embedding; null for none.</param>
    /// <param name="under">How the names begin that are asked about.</param>
    public static void WarnOfUnread(HuggingFaceDirectory directory, IReadOnlyList<NativeTensor> tensors, TiedHead? tied, string under = "")
    {
        HashSet<string> known = [.. tensors.Select(tensor => tensor.Name), .. tied is null ? Array.Empty<string>() : [tied.Head]];
        // Tables of rotary frequencies, which old versions of Transformers saved, and windows are computed.
        string[] unread = [.. directory.Tensors.Select(tensor => tensor.Name).Where(name => !known.Contains(name) && name.StartsWith(under, StringComparison.Ordinal)
            && !name.EndsWith(".rotary_emb.inv_freq", StringComparison.Ordinal) && !name.EndsWith(".window", StringComparison.Ordinal))];
        if (unread.Length > 0)
        {
            LlasaEventSource.Log.Warned(string.Create(CultureInfo.InvariantCulture, $"{directory.Path}: {unread.Length} stored tensors have no place in the model that config.json describes and are passed over, as Transformers does: ")
                + string.Join(", ", unread.Take(4).Select(name => $"`{name}`")) + (unread.Length > 4 ? ", …" : string.Empty));
        }
    }

    public static NativeDType ToNative(TensorType type) => type switch
    {
        TensorType.F32 => NativeDType.F32,
        TensorType.F16 => NativeDType.F16,
        TensorType.BF16 => NativeDType.BF16,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Expected F32, F16 or BF16."),
    };

    private static void SetConverted(float[] values, string name, long[] shape, Setter set)
    {
        var pin = GCHandle.Alloc(values, GCHandleType.Pinned);
        try
        {
            using MappedBuffer buffer = new(pin.AddrOfPinnedObject(), values.Length * 4L);
            set(name, NativeDType.F32, shape, buffer, 0);
        }
        finally
        {
            pin.Free();
        }
    }

    /// <summary>Memory that somebody else owns, as a buffer of any size.</summary>
    private sealed class MappedBuffer : SafeBuffer
    {
        public MappedBuffer(nint address, long length)
            : base(ownsHandle: false)
        {
            SetHandle(address);
            Initialize((ulong)length);
        }

        protected override bool ReleaseHandle() => true;
    }
}
