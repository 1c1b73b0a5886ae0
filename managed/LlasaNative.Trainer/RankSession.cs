namespace LlasaNative.Trainer;

/// <summary>This process's part in a run of several: joined when a command begins, left when it ended well, ended for all ranks when it did not.</summary>
/// <remarks><b>Threads:</b> one at a time; it watches the other ranks on a thread of its own.</remarks>
internal sealed class RankSession : IDisposable
{
    private static RankSession? _current;

    private readonly NativeWorld _native;
    private readonly Timer? _watch;

    private RankSession(NativeWorld native)
    {
        _native = native;
        World = new ProcessWorld(native);
        if (native.Size > 1)
        {
            _watch = new Timer(_ => Watch(), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
        }
    }

    /// <summary>The ranks.</summary>
    public IWorld World { get; }

    /// <summary>Whether this one writes and talks.</summary>
    public bool Leads => World.Rank == 0;

    /// <summary>What joins the ranks and carries their gradients, in a line, once there is a trainer; empty where there is one rank.</summary>
    public string Description => World.Size == 1 ? "" : $"; {World.Size} ranks by {_native.Library}{DescribeDevices(_native.DeviceLibrary, _native.DeviceRefusal)}";

    /// <summary>Joins the world this process was started in, and takes its share of the processors unless the command line says how many.</summary>
    /// <param name="threads">As <c>--threads</c>.</param>
    public static RankSession Join(int threads)
    {
        var native = NativeWorld.Join();
        try
        {
            if (native.Size > 1 && threads == 0)
            {
                NativeDevice.SetThreadCount(native.Threads);
            }

            return _current = new RankSession(native);
        }
        catch
        {
            native.Dispose();
            throw;
        }
    }

    /// <summary>Refuses a command that several processes would do each for itself, over the same files.</summary>
    /// <exception cref="UsageException">A launcher started more than this process.</exception>
    public static void RefuseSeveral(string command)
    {
        foreach (var name in new[] { "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS" })
        {
            if (int.TryParse(Environment.GetEnvironmentVariable(name), out var size) && size > 1)
            {
                throw new UsageException($"`llasa {command}` is the work of one process, and a launcher started {size} ({name}); train, sft, eval and compare can be shared");
            }
        }
    }

    /// <summary>What precedes a message of this process, so that it is known whose it is.</summary>
    public static string Prefix => _current is { World.Size: > 1 } session ? $"llasa: rank {session.World.Rank}: " : "llasa: ";

    /// <summary>Ends all ranks, if there are several; returns otherwise.</summary>
    public static void Fail(int code)
    {
        if (_current is { World.Size: > 1 } session)
        {
            Console.Error.Flush();
            session._native.Abort(code);
        }
    }

    /// <summary>Takes leave of the other ranks; without it they end with this one.</summary>
    public void Finish()
    {
        _watch?.Dispose();
        _native.Finish();
        _current = null;
    }

    public void Dispose()
    {
        // One that failed is still current: its message comes first, then all ranks end.
        _watch?.Dispose();
        if (_current is null || World.Size == 1)
        {
            _current = null;
            _native.Dispose();
        }
    }

    private static string DescribeDevices(string library, string refusal) =>
        library.Length > 0 ? $", gradients by {library}" : refusal.Length > 0 ? $", gradients through the hosts' memory ({refusal})" : "";

    /// <summary>A rank that computes does not notice that another is gone before it waits for it, which may be minutes later.</summary>
    private void Watch()
    {
        try
        {
            _native.Check();
        }
        catch (NativeException e)
        {
            Console.Error.WriteLine($"{Prefix}{e.Message}");
            Fail(LlasaException.FailureExitCode);
        }
        catch (ObjectDisposedException)
        {
            // It ended between two looks.
        }
    }
}
