using System.Runtime.InteropServices;

namespace LlasaNative.Training;

/// <summary>Ctrl-C, SIGTERM and SIGUSR1, which mpirun and SLURM pass on to all ranks: the first asks a run to finish its step and save, the second gives up at once.</summary>
/// <remarks><b>Threads:</b> any. Dispose it to let signals end the process again.</remarks>
public sealed class StopSignal : IDisposable
{
    private const PosixSignal UserSignal = (PosixSignal)10;   // SIGUSR1 of Linux; numbers above 0 are taken as they are

    private readonly CancellationTokenSource _requested = new();
    private readonly CancellationTokenSource _abort = new();
    private readonly PosixSignalRegistration[] _registrations;
    private readonly Action<string>? _notice;
    private readonly bool _atOnce;
    private int _count;

    /// <summary>Starts to listen.</summary>
    /// <param name="notice">Told what a signal will do; may be null.</param>
    /// <param name="atOnce">Whether the first signal gives up already: for work with nothing to save.</param>
    public StopSignal(Action<string>? notice = null, bool atOnce = false)
    {
        _notice = notice;
        _atOnce = atOnce;
        _registrations = [PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle), PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle), PosixSignalRegistration.Create(UserSignal, Handle)];
    }

    /// <summary>Whether the run should end after the present step.</summary>
    public bool StopRequested => Volatile.Read(ref _count) > 0;

    /// <summary>Cancelled by the first signal: for work that leaves nothing to save.</summary>
    public CancellationToken Requested => _requested.Token;

    /// <summary>Cancelled by the second signal.</summary>
    public CancellationToken Abort => _abort.Token;

    /// <summary>Does what a signal does.</summary>
    public void Request()
    {
        var isFirst = Interlocked.Increment(ref _count) == 1;
        _requested.Cancel();
        if (isFirst && !_atOnce)
        {
            _notice?.Invoke("stopping after this step; once more to give up at once");
        }
        else
        {
            _abort.Cancel();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var registration in _registrations)
        {
            registration.Dispose();
        }

        _requested.Dispose();
        _abort.Dispose();
    }

    private void Handle(PosixSignalContext context)
    {
        context.Cancel = true;
        Request();
    }
}
