using System.Runtime.InteropServices;

namespace LlasaNative.Interop;

public static unsafe partial class Native
{
    /// <summary>Version of the loaded library: major in the upper 16 bits, minor in the lower. Threads: any.</summary>
    public static uint AbiVersion() => NativeMethods.llasa_abi_version();

    /// <summary>The calling thread's last error message, empty when there was none.</summary>
    internal static string LastError() => Marshal.PtrToStringUTF8((nint)NativeMethods.llasa_last_error()) ?? "";

    /// <summary>Throws for every status but Ok. Call on the thread that made the failing call, right after it.</summary>
    internal static void Check(LlasaStatus status)
    {
        if (status != LlasaStatus.Ok)
        {
            Throw(status);
        }
    }

    private static void Throw(LlasaStatus status)
    {
        var message = LastError();
        throw status == LlasaStatus.Cancelled
            ? new OperationCanceledException(message)
            : new NativeException(status, message.Length > 0 ? message : $"native call failed: {status}");
    }
}
