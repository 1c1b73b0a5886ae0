using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace LlasaNative.Interop;

/// <summary>
/// Carries a progress delegate and a cancellation token through one native call. No exception crosses native
/// frames: it is kept, the call is cancelled, and <see cref="Check"/> throws it again.
/// </summary>
internal sealed unsafe class ProgressScope : IDisposable
{
    private readonly NativeProgress? _progress;
    private readonly CancellationToken _cancellation;
    private GCHandle _self;
    private ExceptionDispatchInfo? _failure;

    public ProgressScope(NativeProgress? progress, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        _progress = progress;
        _cancellation = cancellation;
        _self = GCHandle.Alloc(this);
    }

    public bool IsNeeded => _progress is not null || _cancellation.CanBeCanceled;

    public delegate* unmanaged[Cdecl]<void*, long, long, int> Callback => IsNeeded ? &Report : null;

    public void* User => (void*)GCHandle.ToIntPtr(_self);

    /// <summary>Throws what the call's status, the delegate or the token ask for.</summary>
    public void Check(LlasaStatus status)
    {
        _failure?.Throw();
        if (status == LlasaStatus.Cancelled)
        {
            throw new OperationCanceledException(Native.LastError(), _cancellation);
        }

        Native.Check(status);
    }

    public void Dispose() => _self.Free();

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Report(void* user, long done, long total)
    {
        var scope = (ProgressScope)GCHandle.FromIntPtr((nint)user).Target!;
        return scope.Report(done, total) ? 0 : 1;
    }

    private bool Report(long done, long total)
    {
        if (_failure is not null || _cancellation.IsCancellationRequested)
        {
            return false;
        }

        try
        {
            return _progress?.Invoke(done, total) ?? true;
        }
#pragma warning disable CA1031 // Nothing may unwind through native frames; Check throws it again.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _failure = ExceptionDispatchInfo.Capture(e);
            return false;
        }
    }
}
