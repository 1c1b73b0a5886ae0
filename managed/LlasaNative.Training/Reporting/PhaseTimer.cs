using System.Diagnostics;

namespace LlasaNative.Reporting;

/// <summary>Seconds spent in the named phases of a step; tells <see cref="LlasaEventSource"/> when one begins and ends.</summary>
/// <remarks><b>Threads:</b> one at a time.</remarks>
/// <example>
/// <code>
/// PhaseTimer timer = new();
/// RolloutBatch samples = timer.Measure("rollout", () => engine.Generate(prompts));
/// double seconds = timer["rollout"];
/// </code>
/// </example>
public sealed class PhaseTimer
{
    private readonly OrderedDictionary<string, double> _phases = [];
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly double _before;

    /// <summary>Starts now.</summary>
    public PhaseTimer()
    {
    }

    private PhaseTimer(double before) => _before = before;

    /// <summary>Phases in the order they first ran, with their seconds.</summary>
    public IReadOnlyList<KeyValuePair<string, double>> Phases => _phases;

    /// <summary>Seconds since the timer was made, or since the time it was told to count from.</summary>
    public double Total => _before + Stopwatch.GetElapsedTime(_start).TotalSeconds;

    /// <summary>A timer whose total counts from an earlier moment, such as the start of the build that runs this.</summary>
    /// <param name="unixSeconds">Seconds since 1970, as a shell's <c>date +%s</c>; nothing or no number: from now.</param>
    /// <returns>The timer.</returns>
    public static PhaseTimer Since(string? unixSeconds)
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0;
        return long.TryParse(unixSeconds, NumberStyles.None, CultureInfo.InvariantCulture, out var start) && start <= now
            ? new PhaseTimer(now - start)
            : new PhaseTimer();
    }

    /// <summary>Seconds of a phase; 0 when it did not run.</summary>
    /// <param name="phase">Its name.</param>
    public double this[string phase] => _phases.GetValueOrDefault(phase);

    /// <summary>Runs a part of a phase.</summary>
    /// <typeparam name="T">Of the result.</typeparam>
    /// <param name="phase">Its name; parts of the same name add up.</param>
    /// <param name="work">What to run.</param>
    /// <returns>What the work returns.</returns>
    public T Measure<T>(string phase, Func<T> work)
    {
        ArgumentNullException.ThrowIfNull(work);
        LlasaEventSource.Log.PhaseBegan(phase);
        var start = Stopwatch.GetTimestamp();
        var result = work();
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        Add(phase, seconds);
        LlasaEventSource.Log.PhaseEnded(phase, seconds);
        return result;
    }

    /// <inheritdoc cref="Measure{T}(string, Func{T})"/>
    public void Measure(string phase, Action work)
    {
        ArgumentNullException.ThrowIfNull(work);
        Measure(phase, () =>
        {
            work();
            return 0;
        });
    }

    /// <summary>Adds time that was measured elsewhere.</summary>
    /// <param name="phase">Its name; parts of the same name add up.</param>
    /// <param name="seconds">At least 0.</param>
    public void Add(string phase, double seconds) => _phases[phase] = this[phase] + seconds;
}
