using System.Diagnostics.Tracing;

namespace LlasaNative.Trainer;

/// <summary>Says the library's warnings on standard error, each once.</summary>
internal sealed class WarningListener : EventListener
{
    private readonly HashSet<string> _said = new(StringComparer.Ordinal);

    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        if (eventSource.Name == LlasaEventSource.ProviderName)
        {
            EnableEvents(eventSource, EventLevel.Warning);
        }
    }

    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        if (eventData.EventId == LlasaEventSource.WarnedId && eventData.Payload?[0] is string text && IsNew(text))
        {
            Console.Error.WriteLine($"llasa: warning: {text.ReplaceLineEndings(" ")}");
        }
    }

    private bool IsNew(string text)
    {
        lock (_said)
        {
            return _said.Add(text);
        }
    }
}
