namespace LlasaNative.Engine;

/// <summary>The checkpoints of several ranks: the first one finds and writes them, all read them. What is written knows no number of ranks.</summary>
/// <remarks>The directory is one that all ranks see. <b>Threads:</b> one at a time.</remarks>
/// <param name="inner">The files.</param>
/// <param name="world">The ranks.</param>
public sealed class SharedCheckpoints(RunCheckpoints inner, IWorld world) : IRunCheckpoints
{
    /// <inheritdoc/>
    public (string Place, RunState State)? Find(string? place, Action<string, string> passedOver)
    {
        var found = Tell(world.Rank == 0 ? inner.Find(place, passedOver)?.Place : null);
        return found is null ? null : (found, RunCheckpoints.Read(found));
    }

    /// <inheritdoc/>
    public void Restore(string place, ITrainingLoop run) => inner.Restore(place, run);

    /// <inheritdoc/>
    public void BeginAfter(RunState? state)
    {
        world.Any(false);   // all have read what they go on from
        if (world.Rank == 0)
        {
            inner.BeginAfter(state);
        }
    }

    /// <inheritdoc/>
    public string Save(RunState state, ITrainingLoop run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (world.Rank > 0)
        {
            inner.TakePartInSaving(run.Trainer);
        }

        return Tell(world.Rank == 0 ? inner.Save(state, run) : null)!;
    }

    /// <summary>What the first rank says; null and empty are the same.</summary>
    private string? Tell(string? text) => world.AllGather(Encoding.UTF8.GetBytes(text ?? ""))[0] is { Length: > 0 } bytes ? Encoding.UTF8.GetString(bytes) : null;
}
