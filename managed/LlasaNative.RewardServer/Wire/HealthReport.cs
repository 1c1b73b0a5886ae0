namespace LlasaNative.Recognition.Wire;

/// <summary>Answer of <c>GET /healthz</c>.</summary>
/// <param name="Status"><c>ok</c>, or <c>draining</c> while the server finishes what it has and takes nothing new.</param>
/// <param name="Model">Names of codec and recogniser with a fingerprint of their files: the same string, the same models.</param>
/// <param name="Backend"><c>cpu</c> or <c>cuda</c>.</param>
/// <param name="Device">Processor or card.</param>
/// <param name="QueueDepth">Samples that wait.</param>
/// <param name="QueueCapacity">Samples that may wait.</param>
/// <param name="MaxSamples">Most samples of one <c>POST /score_batch</c>.</param>
/// <param name="MaxCodes">Most codes of one sample.</param>
/// <param name="CodeCount">Codes are 0 to this minus 1.</param>
/// <param name="Version">Version of the program.</param>
/// <param name="Threads">Compute threads.</param>
/// <param name="CutsLeads">Whether it knows <see cref="ScoreRequest.Lead"/>.</param>
public sealed record HealthReport(
    string Status, string Model, string Backend, string Device, int QueueDepth, int QueueCapacity, int MaxSamples, int MaxCodes, int CodeCount, string Version,
    int Threads = 0, bool CutsLeads = false);
