using System.Diagnostics.Tracing;

namespace LlasaNative.Trainer;

/// <summary>Says the library's warnings on standard error, each once.</summary>
internal sealed class WarningListener : EventListener
{
    // A listener hears of the sources that exist while its base is constructed, before its fields are set.
    private HashSet<string>? _said;

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
        var said = LazyInitializer.EnsureInitialized(ref _said, () => new HashSet<string>(StringComparer.Ordinal));
        lock (said)
        {
            return said.Add(text);
        }
    }
}
