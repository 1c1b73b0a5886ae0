using Microsoft.Win32.SafeHandles;

namespace LlasaNative.WhisperNet;

/// <summary>A model's weights in whisper.cpp.</summary>
internal sealed class GgmlContextHandle() : SafeHandleZeroOrMinusOneIsInvalid(ownsHandle: true)
{
    protected override bool ReleaseHandle()
    {
        NativeMethods.Free(handle);
        return true;
    }
}

/// <summary>What one clip needs beside the weights: its features, caches and logits.</summary>
internal sealed class GgmlStateHandle() : SafeHandleZeroOrMinusOneIsInvalid(ownsHandle: true)
{
    protected override bool ReleaseHandle()
    {
        NativeMethods.FreeState(handle);
        return true;
    }
}
