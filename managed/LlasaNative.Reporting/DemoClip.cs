namespace LlasaNative.Reporting;

/// <summary>A sample to listen to.</summary>
/// <param name="Transcript">What the recogniser heard.</param>
/// <param name="Cer">Its character error rate.</param>
/// <param name="Wave">A complete WAV file.</param>
public sealed record DemoClip(string Transcript, double Cer, byte[] Wave);
