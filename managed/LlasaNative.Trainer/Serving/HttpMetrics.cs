using System.Collections.Concurrent;
using System.Diagnostics;

namespace LlasaNative.Trainer.Serving;

/// <summary>What every server counts: requests and memory; what it has besides, its own class adds.</summary>
/// <param name="role">What the process does, for people.</param>
/// <param name="queued">What waits in its queue, in the plural.</param>
/// <remarks><b>Threads:</b> any.</remarks>
internal abstract class HttpMetrics(string role, string queued)
{
    private readonly ConcurrentDictionary<(string Endpoint, int Status), long> _requests = new();
    private readonly ConcurrentDictionary<string, Histogram> _seconds = new();
    private int _inFlight;

    /// <summary>Requests being answered.</summary>
    public int InFlight => Volatile.Read(ref _inFlight);

    /// <summary>A request has begun.</summary>
    public void Begin() => Interlocked.Increment(ref _inFlight);

    /// <summary>A request has ended.</summary>
    public void End(string endpoint, int status, double seconds)
    {
        Interlocked.Decrement(ref _inFlight);
        _requests.AddOrUpdate((endpoint, status), 1, (_, count) => count + 1);
        _seconds.GetOrAdd(endpoint, _ => new Histogram(Histogram.Seconds)).Add(seconds);
    }

    /// <summary>Everything, as Prometheus reads it.</summary>
    /// <param name="queueDepth">What waits.</param>
    public string Write(int queueDepth, int queueCapacity, string model)
    {
        PrometheusText text = new();
        text.Head("llasa_info", "gauge", role);
        text.Value("llasa_info", $"model=\"{PrometheusText.Escape(model)}\"", 1);
        text.Head("llasa_requests_total", "counter", "Requests answered, by endpoint and status; 499: the client went away.");
        foreach (var ((endpoint, status), count) in _requests.OrderBy(r => r.Key.Endpoint, StringComparer.Ordinal).ThenBy(r => r.Key.Status))
        {
            text.Value("llasa_requests_total", $"endpoint=\"{endpoint}\",status=\"{status}\"", count);
        }

        text.Histograms("llasa_request_seconds", "From the request's head to the end of its answer.",
            _seconds.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => ($"endpoint=\"{s.Key}\"", s.Value)));
        WriteOwn(text);
        text.Number($"llasa_queue_{queued}", "gauge", $"{char.ToUpperInvariant(queued[0])}{queued[1..]} that wait.", queueDepth);
        text.Number("llasa_queue_capacity", "gauge", $"{char.ToUpperInvariant(queued[0])}{queued[1..]} that may wait.", queueCapacity);
        text.Number("llasa_requests_in_flight", "gauge", "Requests being answered.", InFlight);
        using var process = Process.GetCurrentProcess();
        text.Number("process_resident_memory_bytes", "gauge", "Resident memory.", process.WorkingSet64);
        text.Number("process_threads", "gauge", "Threads of the process.", process.Threads.Count);
        text.Number("llasa_native_bytes", "gauge", "Memory for tensors that the native library holds.", NativeDevice.GetLiveCounts().AllocatedBytes);
        text.Number("dotnet_gc_heap_bytes", "gauge", "Managed heap after the last collection.", GC.GetTotalMemory(false));
        return text.ToString();
    }

    /// <summary>What the server counts besides.</summary>
    protected abstract void WriteOwn(PrometheusText text);
}
