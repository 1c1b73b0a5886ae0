using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using LlasaNative.Interop;

namespace LlasaNative.Trainer.Serving;

/// <summary>What the server counts, in the text format that Prometheus reads.</summary>
/// <remarks><b>Threads:</b> any.</remarks>
internal sealed class ServerMetrics
{
    private static readonly double[] SecondBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
    private static readonly double[] SampleBounds = [1, 2, 4, 8, 16, 32, 64, 128, 256];

    private readonly ConcurrentDictionary<(string Endpoint, int Status), long> _requests = new();
    private readonly ConcurrentDictionary<string, Histogram> _seconds = new();
    private readonly Histogram _batchSamples = new(SampleBounds);
    private readonly Histogram _batchSeconds = new(SecondBounds);
    private long _scored;
    private long _refused;
    private int _inFlight;

    public void Begin() => Interlocked.Increment(ref _inFlight);

    /// <summary>A request has ended.</summary>
    public void End(string endpoint, int status, double seconds)
    {
        Interlocked.Decrement(ref _inFlight);
        _requests.AddOrUpdate((endpoint, status), 1, (_, count) => count + 1);
        _seconds.GetOrAdd(endpoint, _ => new Histogram(SecondBounds)).Add(seconds);
    }

    /// <summary>A batch was scored.</summary>
    public void Scored(int samples, double seconds)
    {
        Interlocked.Add(ref _scored, samples);
        _batchSamples.Add(samples);
        _batchSeconds.Add(seconds);
    }

    /// <summary>Samples found the queue full.</summary>
    public void Refused(int samples) => Interlocked.Add(ref _refused, samples);

    public string Write(int queueDepth, int queueCapacity, string model)
    {
        StringBuilder text = new();
        Head("llasa_info", "gauge", "What listens.").Append(CultureInfo.InvariantCulture, $"llasa_info{{model=\"{Escape(model)}\"}} 1\n");
        Head("llasa_requests_total", "counter", "Requests answered, by endpoint and status; 499: the client went away.");
        foreach (var ((endpoint, status), count) in _requests.OrderBy(r => r.Key.Endpoint, StringComparer.Ordinal).ThenBy(r => r.Key.Status))
        {
            text.Append(CultureInfo.InvariantCulture, $"llasa_requests_total{{endpoint=\"{endpoint}\",status=\"{status}\"}} {count}\n");
        }

        Head("llasa_request_seconds", "histogram", "From the request's head to the end of its answer.");
        foreach (var (endpoint, histogram) in _seconds.OrderBy(s => s.Key, StringComparer.Ordinal))
        {
            histogram.Write(text, "llasa_request_seconds", $"endpoint=\"{endpoint}\"");
        }

        Head("llasa_batch_samples", "histogram", "Samples scored together.");
        _batchSamples.Write(text, "llasa_batch_samples", "");
        Head("llasa_batch_seconds", "histogram", "Seconds that a batch took.");
        _batchSeconds.Write(text, "llasa_batch_seconds", "");
        Number("llasa_samples_scored_total", "counter", "Samples scored.", Interlocked.Read(ref _scored));
        Number("llasa_samples_refused_total", "counter", "Samples refused because the queue was full.", Interlocked.Read(ref _refused));
        Number("llasa_requests_in_flight", "gauge", "Requests being answered.", Volatile.Read(ref _inFlight));
        Number("llasa_queue_samples", "gauge", "Samples that wait.", queueDepth);
        Number("llasa_queue_capacity", "gauge", "Samples that may wait.", queueCapacity);
        using var process = Process.GetCurrentProcess();
        Number("process_resident_memory_bytes", "gauge", "Resident memory.", process.WorkingSet64);
        Number("process_threads", "gauge", "Threads of the process.", process.Threads.Count);
        Number("llasa_native_bytes", "gauge", "Memory for tensors that the native library holds.", NativeDevice.GetLiveCounts().AllocatedBytes);
        Number("dotnet_gc_heap_bytes", "gauge", "Managed heap after the last collection.", GC.GetTotalMemory(false));
        return text.ToString();

        StringBuilder Head(string name, string type, string help) =>
            text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {type}\n");
        void Number(string name, string type, string help, long value) => Head(name, type, help).Append(CultureInfo.InvariantCulture, $"{name} {value}\n");
    }

    private static string Escape(string value) =>
        value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    private sealed class Histogram(double[] bounds)
    {
        private readonly Lock _lock = new();
        private readonly long[] _counts = new long[bounds.Length + 1];
        private double _sum;

        public void Add(double value)
        {
            var bucket = Array.FindIndex(bounds, b => value <= b);
            lock (_lock)
            {
                _counts[bucket < 0 ? bounds.Length : bucket]++;
                _sum += value;
            }
        }

        public void Write(StringBuilder text, string name, string labels)
        {
            lock (_lock)
            {
                var comma = labels.Length > 0 ? "," : "";
                long count = 0;
                for (var i = 0; i < _counts.Length; i++)
                {
                    count += _counts[i];
                    var bound = i < bounds.Length ? bounds[i].ToString("R", CultureInfo.InvariantCulture) : "+Inf";
                    text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}\n");
                }

                var braces = labels.Length > 0 ? $"{{{labels}}}" : "";
                text.Append(CultureInfo.InvariantCulture, $"{name}_sum{braces} {_sum:R}\n{name}_count{braces} {count}\n");
            }
        }
    }
}
