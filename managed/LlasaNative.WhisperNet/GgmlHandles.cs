using System.Runtime.InteropServices;

namespace LlasaNative.WhisperNet;

/// <summary>A model's weights in whisper.cpp.</summary>
internal sealed class GgmlContextHandle : SafeHandle
{
    public GgmlContextHandle()
        : base(0, ownsHandle: true)
    {
    }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        NativeMethods.Free(handle);
        return true;
    }
}

/// <summary>What one clip needs beside the weights: its features, caches and logits.</summary>
internal sealed class GgmlStateHandle : SafeHandle
{
    public GgmlStateHandle()
        : base(0, ownsHandle: true)
    {
    }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        NativeMethods.FreeState(handle);
        return true;
    }
}
