using System.Diagnostics.Tracing;

namespace LlasaNative.Reporting;

/// <summary>Tells tracing tools which phase a run is in: the provider <c>LlasaNative</c> of <c>dotnet-trace</c> and the like.</summary>
/// <remarks><b>Threads:</b> any.</remarks>
[EventSource(Name = ProviderName)]
public sealed class LlasaEventSource : EventSource
{
    /// <summary>Name to listen for.</summary>
    public const string ProviderName = "LlasaNative";

    /// <summary>Id of <see cref="PhaseBegan"/>.</summary>
    public const int PhaseBeganId = 1;

    /// <summary>Id of <see cref="PhaseEnded"/>.</summary>
    public const int PhaseEndedId = 2;

    /// <summary>Id of <see cref="Warned"/>.</summary>
    public const int WarnedId = 3;

    private LlasaEventSource()
    {
    }

    /// <summary>The only one.</summary>
    public static LlasaEventSource Log { get; } = new();

    /// <summary>A phase begins.</summary>
    /// <param name="phase">Its name, as in the metrics <c>seconds/…</c>.</param>
    [Event(PhaseBeganId, Level = EventLevel.Informational)]
    public void PhaseBegan(string phase) => WriteEvent(PhaseBeganId, phase);

    /// <summary>A phase is over.</summary>
    /// <param name="phase">Its name.</param>
    /// <param name="seconds">How long it took.</param>
    [Event(PhaseEndedId, Level = EventLevel.Informational)]
    public void PhaseEnded(string phase, double seconds) => WriteEvent(PhaseEndedId, phase, seconds);

    /// <summary>Something was read in spite of a fault that the user should know of.</summary>
    /// <param name="text">One line that names the file.</param>
    [Event(WarnedId, Level = EventLevel.Warning)]
    public void Warned(string text) => WriteEvent(WarnedId, text);
}
