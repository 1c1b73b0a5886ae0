using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace LlasaNative.Interop;

/// <summary>
/// Carries delegates and a cancellation token through one native call. No exception crosses native
/// frames: it is kept, the call is cancelled, and <see cref="Check"/> throws it again.
/// </summary>
internal sealed unsafe class ProgressScope : IDisposable
{
    private readonly NativeProgress? _progress;
    private readonly NativeProgress? _finished;
    private readonly NativeProgress? _arrived;
    private readonly CancellationToken _cancellation;
    private long _prompts;
    private GCHandle _self;
    private ExceptionDispatchInfo? _failure;

    public ProgressScope(NativeProgress? progress, CancellationToken cancellation, Action<long>? finished = null, Func<long>? arrived = null)
    {
        cancellation.ThrowIfCancellationRequested();
        _progress = progress;
        _arrived = arrived is null ? null : (_, _) =>
        {
            _prompts = arrived();
            return true;
        };
        _finished = finished is null ? null : (index, _) =>
        {
            finished(index);
            return true;
        };
        _cancellation = cancellation;
        _self = GCHandle.Alloc(this);
    }

    public bool IsNeeded => _progress is not null || _cancellation.CanBeCanceled;

    public delegate* unmanaged[Cdecl]<void*, long, long, int> Callback => IsNeeded ? &Report : null;

    /// <summary>Told of each finished sample; cancels as <see cref="Callback"/> does.</summary>
    public delegate* unmanaged[Cdecl]<void*, long, int> FinishedCallback => _finished is not null ? &Finished : null;

    /// <summary>Asked how many prompts there are by now; cancels as <see cref="Callback"/> does.</summary>
    public delegate* unmanaged[Cdecl]<void*, long> ArrivedCallback => _arrived is not null ? &Arrived : null;

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
        return scope.Run(scope._progress, done, total) ? 0 : 1;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Finished(void* user, long index)
    {
        var scope = (ProgressScope)GCHandle.FromIntPtr((nint)user).Target!;
        return scope.Run(scope._finished, index, 0) ? 0 : 1;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static long Arrived(void* user)
    {
        var scope = (ProgressScope)GCHandle.FromIntPtr((nint)user).Target!;
        return scope.Run(scope._arrived, 0, 0) ? scope._prompts : -1;
    }

    private bool Run(NativeProgress? call, long first, long second)
    {
        if (_failure is not null || _cancellation.IsCancellationRequested)
        {
            return false;
        }

        try
        {
            return call?.Invoke(first, second) ?? true;
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
