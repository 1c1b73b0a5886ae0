namespace LlasaNative.Interop;

internal static unsafe partial class NativeMethods
{
    static NativeMethods() => LibraryResolver.Register();
}
