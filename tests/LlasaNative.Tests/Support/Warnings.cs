using System.Diagnostics.Tracing;
using LlasaNative.Reporting;

namespace LlasaNative.Tests.Support;

/// <summary>Collects the library's warnings that name a directory.</summary>
internal sealed class Warnings(string about) : EventListener
{
    private readonly List<string> _texts = [];

    public IReadOnlyList<string> Texts
    {
        get
        {
            lock (_texts)
            {
                return [.. _texts];
            }
        }
    }

    /// <summary>Begins to listen; not in the constructor, whose base would listen before the fields are set.</summary>
    public Warnings Listen()
    {
        EnableEvents(LlasaEventSource.Log, EventLevel.Warning);
        return this;
    }

    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        if (eventData.EventId == LlasaEventSource.WarnedId && eventData.Payload?[0] is string text && text.Contains(about, StringComparison.Ordinal))
        {
            lock (_texts)
            {
                _texts.Add(text);
            }
        }
    }
}
