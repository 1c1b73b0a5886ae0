using System.Diagnostics.Tracing;

namespace LlasaNative.Trainer;

/// <summary>Says on standard error which phase begins, for <c>--verbose</c>.</summary>
internal sealed class PhaseListener : EventListener
{
    /// <summary>What such a line begins with.</summary>
    public const string LineStart = "phase ";

    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        if (eventSource.Name == LlasaEventSource.ProviderName)
        {
            EnableEvents(eventSource, EventLevel.Informational);
        }
    }

    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        if (eventData.EventId == LlasaEventSource.PhaseBeganId)
        {
            Console.Error.WriteLine($"{LineStart}{eventData.Payload?[0]}");
        }
    }
}
